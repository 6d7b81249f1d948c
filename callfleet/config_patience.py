"""How long a call may take: a silent caller, a call without end, a session of age. Pure."""

from typing import Annotated

from msgspec import Meta

from callfleet.config_part import Part
from callfleet.config_tree import Mistakes, below

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Sentence = Annotated[str, Meta(min_length=1)]


class Silence(Part, frozen=True, kw_only=True):
    """What becomes of a caller who says nothing, while nobody else does either."""

    prompt_after_s: Annotated[
        Seconds | None, Meta(description="The agent asks whether they are there; null: never.")
    ] = 10.0
    goodbye_after_s: Annotated[
        Seconds | None,
        Meta(description="It says goodbye and hangs up, so long after their last word."),
    ] = 30.0
    prompt: Annotated[
        Sentence | None, Meta(description="What it asks; left out: it finds its own words.")
    ] = None
    goodbye: Annotated[
        Sentence | None, Meta(description="What it says then; left out: it finds its own words.")
    ] = None


class Rotation(Part, frozen=True, kw_only=True):
    """Sessions end after an hour at most; the call goes on in a new one."""

    before_end_s: Annotated[
        Annotated[float, Meta(gt=0, le=3_000)],
        Meta(description="So long before its end a session is changed, between two turns."),
    ] = 300.0
    after_s: Annotated[Seconds | None, Meta(description="Or at this age, if that is sooner.")] = (
        None
    )


def check_patience(silence: Silence | None, path: str, mistakes: Mistakes) -> None:
    if silence is None or silence.prompt_after_s is None or silence.goodbye_after_s is None:
        return
    if silence.goodbye_after_s <= silence.prompt_after_s:
        told = f"must be more than prompt_after_s ({silence.prompt_after_s:g})"
        mistakes.add(below(path, "goodbye_after_s"), told)
