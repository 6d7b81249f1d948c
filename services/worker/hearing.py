"""The rules of what we hear of the caller ourselves: trouble with the sound, push to talk. Pure.

Where the session does not find the ends of the caller's turns, a key of the telephone ends them, or
a pause after speech; and any key stops an agent who is speaking, for no voice does.
"""

from typing import Final

from callfleet.journal_entries import Note
from services.worker import dialogue as told
from services.worker.dialogue import Sound
from services.worker.scene import Scene, Stage

TROUBLE: Final = "sound"  # the kind of note that keeps it

_SPEAK_UP: Final = (
    "The caller is very hard to hear. Ask them in one short sentence to speak up, or to come closer"
    " to the telephone."
)


def sound_trouble(scene: Scene, event: told.SoundTrouble) -> None:
    """Noted; and a caller who is too quiet is told so, once, when nobody is speaking."""
    if scene.closing:
        return
    scene.record([Note(TROUBLE, scene.now_ms, {"trouble": event.sound.value})])
    manner = scene.manner
    free = scene.stage is Stage.TALKING and scene.floor.free and not scene.voice.sounding
    if event.sound is not Sound.FAINT or not manner.speak_up or scene.spoken_up or not free:
        return
    scene.spoken_up = True
    if manner.speak_up_words is None:
        scene.order(told.Advise(_SPEAK_UP))
        scene.ask(told.Ask())
    else:
        scene.ask(told.Say(manner.speak_up_words))


def caller_paused(scene: Scene, event: told.CallerPaused) -> None:
    """Not while the agent speaks: what was heard then is most likely the agent."""
    if not scene.closing and not scene.voice.sounding and scene.floor.free:
        _end_turn(scene, event.ago_ms)


def ends_turn(scene: Scene, key: str) -> bool:
    """Push to talk: true when the key is not one of an entry."""
    if scene.manner.turn_key != key or scene.keypad.pressed:
        return False
    _end_turn(scene, 0)
    return True


def _end_turn(scene: Scene, ago_ms: int) -> None:
    scene.quiet_since_ms = scene.now_ms - ago_ms
    scene.order(told.EndCallerTurn())
