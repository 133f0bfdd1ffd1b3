"""The gradient that an experiment would use at its start, beside finite differences of the model."""

from __future__ import annotations

from optim.check import compare_gradients, dot_product_test
from optim.experiment import Progress, Setting, laid_on_grid, make_estimator, make_forward
from optim.experiment_file import Experiment
from optim.gradients import ColouredDifferences, FiniteDifference
from optim.gradients.reach import response_by_distance


def gradient_check(
    experiment: Experiment, setting: Setting, progress: Progress, steps: tuple[float, ...] = (0.3, 0.1, 0.03)
) -> list[str]:
    """Cosine, norm ratio and components of the estimator's gradient against finite differences, step by step."""
    experiment = laid_on_grid(experiment, setting.model)
    surrogate = (
        setting.surrogate(experiment)
        if setting.surrogate and experiment.estimator.kind == "surrogate"
        else None
    )
    forward = make_forward(experiment, setting, surrogate, progress)
    estimator = make_estimator(experiment, forward, surrogate)
    x = experiment.controls.to_vector(experiment.start)
    evaluation, _ = estimator.evaluate(x, estimator.init(experiment.seed))
    if not evaluation.ok or evaluation.grad is None or evaluation.tangent is None:
        return [f"the run at the start failed: {evaluation.outcome.message}"]
    assert evaluation.residual is not None
    error = dot_product_test(evaluation.tangent, x.size, evaluation.residual.size)
    lines = [f"J {evaluation.value:.6g}; dot-product identity of the tangent linear: {error:.1e}"]
    if isinstance(estimator, ColouredDifferences):
        for spread in response_by_distance(forward, x, estimator.step):
            progress(str(spread))
    for step in steps:
        progress(f"finite differences with step {step} (prior standard deviations)")
        reference, _ = FiniteDifference(forward, step, central=True).evaluate(x, None)
        assert reference.grad is not None
        compared = compare_gradients(evaluation.grad, reference.grad)
        lines.append(
            f"step {step:g}: cosine {compared.cosine:.4f}, norm ratio {compared.norm_ratio:.3f}, "
            f"signs {compared.sign_agreement:.0%}, a guess of equal components scores {compared.null_cosine:.3f}"
        )
        for number, name in enumerate(experiment.controls.names):
            lines.append(
                f"    {name:28s} estimator {evaluation.grad[number]: .5e}  differences {reference.grad[number]: .5e}"
            )
    return lines
