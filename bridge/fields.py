"""Catalogue of ocean fields: NEMO and CF names, units, grid point, dimensions."""

from __future__ import annotations

from dataclasses import dataclass

VOLUME = ("k", "j", "i")
SURFACE = ("j", "i")


@dataclass(frozen=True)
class FieldSpec:
    """One field: its name on the wire, NEMO's variable, CF standard name, units, grid point and dimensions.

    `point` is one of T U V W F; `dims` is a subset of ("k", "j", "i") in C order. The component of a vector along i
    or j (`vector`) changes its sign across the north fold.
    """

    name: str
    nemo: str
    standard_name: str
    units: str
    point: str
    dims: tuple[str, ...]
    vector: bool = False

    @property
    def fold_sign(self) -> float:
        """Factor of the values that lie beyond a north fold."""
        return -1.0 if self.vector else 1.0


def _specs() -> tuple[FieldSpec, ...]:
    return (
        # prognostic state
        FieldSpec("thetao", "tsn(jp_tem)", "sea_water_potential_temperature", "degC", "T", VOLUME),
        FieldSpec("so", "tsn(jp_sal)", "sea_water_practical_salinity", "1e-3", "T", VOLUME),
        FieldSpec("uo", "uu", "sea_water_x_velocity", "m s-1", "U", VOLUME, True),
        FieldSpec("vo", "vv", "sea_water_y_velocity", "m s-1", "V", VOLUME, True),
        FieldSpec("zos", "ssh", "sea_surface_height_above_geoid", "m", "T", SURFACE),
        FieldSpec("en", "en", "specific_turbulent_kinetic_energy_of_sea_water", "m2 s-2", "W", VOLUME),
        # mixing and dynamics
        FieldSpec("wo", "ww", "upward_sea_water_velocity", "m s-1", "W", VOLUME),
        FieldSpec("avt", "avt", "ocean_vertical_heat_diffusivity", "m2 s-1", "W", VOLUME),
        FieldSpec("avm", "avm", "ocean_vertical_momentum_diffusivity", "m2 s-1", "W", VOLUME),
        FieldSpec("rhop", "rhop", "sea_water_potential_density", "kg m-3", "T", VOLUME),
        FieldSpec("rhd", "rhd", "sea_water_density_anomaly_ratio", "1", "T", VOLUME),
        FieldSpec("bn2", "rn2", "square_of_brunt_vaisala_frequency_in_sea_water", "s-2", "W", VOLUME),
        FieldSpec("ub", "uu_b", "barotropic_sea_water_x_velocity", "m s-1", "U", SURFACE, True),
        FieldSpec("vb", "vv_b", "barotropic_sea_water_y_velocity", "m s-1", "V", SURFACE, True),
        FieldSpec("mldr10_1", "hmlp", "ocean_mixed_layer_thickness_defined_by_sigma_t", "m", "T", SURFACE),
        # surface and forcing
        FieldSpec("tos", "sst_m", "sea_surface_temperature", "degC", "T", SURFACE),
        FieldSpec("sos", "sss_m", "sea_surface_salinity", "1e-3", "T", SURFACE),
        FieldSpec("utau", "utau", "surface_downward_x_stress", "N m-2", "U", SURFACE, True),
        FieldSpec("vtau", "vtau", "surface_downward_y_stress", "N m-2", "V", SURFACE, True),
        FieldSpec("taum", "taum", "magnitude_of_surface_downward_stress", "N m-2", "T", SURFACE),
        FieldSpec("qns", "qns", "surface_downward_non_solar_heat_flux_in_sea_water", "W m-2", "T", SURFACE),
        FieldSpec("qsr", "qsr", "surface_net_downward_shortwave_flux", "W m-2", "T", SURFACE),
        FieldSpec("emp", "emp", "water_flux_out_of_sea_water", "kg m-2 s-1", "T", SURFACE),
    )


#: name on the wire -> FieldSpec
CATALOGUE: dict[str, FieldSpec] = {spec.name: spec for spec in _specs()}


def lookup(name: str) -> FieldSpec:
    """Catalogue entry of `name`, or a generic one (dimensionless, T point) for a field the catalogue lacks."""
    return CATALOGUE.get(name) or FieldSpec(name, name, "", "1", "T", ())
