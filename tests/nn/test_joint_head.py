"""The joint head's parts against the plain head, and against its derivative."""

from __future__ import annotations

import torch
from torch import Tensor

from mesmer.evaluation.cost import count_multiply_adds
from mesmer.nn.joint_head import JointHead

WIDTHS, EMOTIONS = (3, 4, 2), 5
PRESENT = torch.tensor([[True, True, True], [True, False, True], [False, True, False], [False, False, False]])


def made() -> tuple[JointHead, list[Tensor]]:
    torch.manual_seed(0)
    head = JointHead(widths=WIDTHS, emotions=EMOTIONS, dropout=0.5).eval()
    states = [torch.randn(4, width) * PRESENT[:, k : k + 1] for k, width in enumerate(WIDTHS)]
    return head, states


def plain(head: JointHead, x: Tensor) -> Tensor:
    return head.out(x + head.outer(head.inner(x).relu()))


def test_the_parts_add_up_to_the_plain_head() -> None:
    head, states = made()
    parts = head(states, PRESENT)
    expected = plain(head, torch.cat(states, dim=1))
    assert torch.allclose(parts[:3].sum(1), expected[:3], atol=1e-6)
    assert (parts[~PRESENT] == 0).all()


def test_a_part_is_state_times_derivative_and_a_share_of_the_constant() -> None:
    """Independent of how the head divides itself up: autograd's derivative at the state, and what is left over."""
    head, states = made()
    x = torch.cat(states, dim=1)[:3].requires_grad_()
    for emotion in range(EMOTIONS):
        logits = plain(head, x)[:, emotion]
        (slope,) = torch.autograd.grad(logits.sum(), x)
        pieces = torch.stack([piece.sum(1) for piece in (slope * x).split(WIDTHS, dim=1)], dim=1)
        constant = (logits - pieces.sum(1)) / PRESENT[:3].sum(1)
        expected = (pieces + constant[:, None]) * PRESENT[:3]
        assert torch.allclose(head(states, PRESENT)[:3, :, emotion], expected, atol=1e-5)


def test_dropout_drops_the_same_units_everywhere() -> None:
    head, states = made()
    head.train()
    torch.manual_seed(3)
    one = head(states, PRESENT).sum(1)
    torch.manual_seed(3)
    assert torch.equal(one, head(states, PRESENT).sum(1))
    assert not torch.allclose(one, head(states, PRESENT).sum(1))


def test_products_are_those_the_counter_sees() -> None:
    head, states = made()
    assert count_multiply_adds(head, lambda: head([s[:1] for s in states], PRESENT[:1])) == head.multiply_adds
