"""What the configuration turns into, judged by the official client's types."""

from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from callfleet.config import PRESETS


def test_the_presets_are_legal_for_the_api() -> None:
    for preset in PRESETS.values():
        parsed = ServerVad.model_validate(preset, strict=True)
        assert set(parsed.model_dump(exclude_unset=True)) == set(preset)
        assert not parsed.model_extra
