"""Exactly-once stages over streams, and their fences."""

from marketprism_sdk.streams._fence import FencedPublisher, fenced_publisher
from marketprism_sdk.streams._fence_record import Fence, FenceRecord, raise_fence
from marketprism_sdk.streams._stage import Stage
from marketprism_sdk.streams._stage_input import InputCut, InputRefused, InputState, SettledInput
from marketprism_sdk.streams._stage_past import PastState, state_before
from marketprism_sdk.streams._stage_types import (
    CHECKPOINT_VERSION,
    Checkpoint,
    Output,
    OwnedPartition,
    Processor,
    StageSettings,
)

__all__ = [
    "CHECKPOINT_VERSION",
    "Checkpoint",
    "Fence",
    "FenceRecord",
    "FencedPublisher",
    "InputCut",
    "InputRefused",
    "InputState",
    "Output",
    "OwnedPartition",
    "PastState",
    "Processor",
    "SettledInput",
    "Stage",
    "StageSettings",
    "fenced_publisher",
    "raise_fence",
    "state_before",
]
