"""How messages travel: one small interface (`base`) and its ways (`loopback`, `mpi_transport`)."""

from bridge.transport.base import Transport, Window

__all__ = ["Transport", "Window"]
