"""The rules of changing a session's settings during a call. Pure.

Between turns only: a change in the middle of an answer would be heard as another person's half of
it. A voice that was heard once stays, because the session will not change it; that part of a change
is left out and noted. What was changed holds for the sessions that come after this one too.
"""

from typing import Final

import msgspec

from callfleet.journal_entries import Note
from services.worker import dialogue as told
from services.worker.dialogue import Change
from services.worker.scene import Scene

CHANGED: Final = "settings"  # the kinds of notes that tell of it
REFUSED: Final = "settings_refused"


def change_wanted(scene: Scene, event: told.ChangeWanted) -> None:
    if scene.closing:
        return
    change = event.change
    if change.voice is not None and scene.voice_heard:
        scene.record([Note(REFUSED, scene.now_ms, {"setting": "voice", "why": "heard already"})])
        change = msgspec.structs.replace(change, voice=None)
    scene.change = _over(scene.change, change)
    make(scene)


def make(scene: Scene) -> None:
    """What waits is done now, if the agent is not in the middle of something."""
    if scene.change == Change() or not scene.floor.free or not scene.connected or scene.closing:
        return
    change, scene.change = scene.change, Change()
    scene.changed = _over(scene.changed, change)
    scene.record([Note(CHANGED, scene.now_ms, {name: True for name in _named(change)})])
    scene.order(told.ChangeSettings(change))


def make_again(scene: Scene) -> None:
    """A new session begins with the settings of the first one."""
    if scene.changed != Change():
        scene.order(told.ChangeSettings(scene.changed))


def change_refused(scene: Scene, _: told.ChangeRefused) -> None:
    """What the last change was cannot be told from here: nothing is changed a second time."""
    scene.changed = Change()
    scene.record([Note(REFUSED, scene.now_ms, {"setting": "any", "why": "by the session"})])


def _named(change: Change) -> list[str]:
    return [name for name in Change.__struct_fields__ if getattr(change, name) is not None]


def _over(below: Change, above: Change) -> Change:
    return msgspec.structs.replace(below, **{name: getattr(above, name) for name in _named(above)})
