"""The simulated model says what its rules say, from the conversation alone."""

import json
from typing import Any

import pytest

from simulators.realtime_brain import Act, Brain, CallTool, Said, Say, Scene

CLINIC = "You are the receptionist of Acme Dental Clinic. Help patients."
ESTATE = "You are an agent for Harbour Homes, a real estate office."
SALON = "You work at Bella Hair Salon."


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "name": name, "parameters": parameters}


def acts(*said: str, instructions: str = CLINIC, **scene: Any) -> list[Act]:
    """What it does when the caller has said all this, with its answers between."""
    history: list[Said] = []
    for words in said:
        history += [Said("user", words), Said("assistant", "Yes?")]
    scene.setdefault("order", "")
    return Brain(0, {}).acts(Scene(instructions, history=history[:-1], **scene))


def line(*said: str, **scene: Any) -> str:
    [act] = acts(*said, **scene)
    assert isinstance(act, Say)
    return act.text


@pytest.mark.parametrize(
    ("order", "spoken"),
    [
        ('Say exactly: "Welcome to Acme."', "Welcome to Acme."),
        ('Please say: "He said \\"hi\\"." and then wait.', 'He said "hi".'),
        ("Say: no quotes at all\nand stop", "no quotes at all"),
        ('Greet the caller with: "Hello."', "Hello."),
        ('Say exactly: "Two\nlines"', "Two\nlines"),
    ],
)
def test_an_ordered_line_is_said_exactly(order: str, spoken: str) -> None:
    assert line("How much is it?", order=order) == spoken


def test_the_sessions_instructions_order_no_line() -> None:
    assert "Clinic" in line("Hello", instructions=CLINIC + ' Greet the caller with: "Yo."')


def test_without_a_word_from_the_caller_it_greets() -> None:
    [act] = Brain(0, {}).acts(Scene(CLINIC, order="", history=[]))
    assert isinstance(act, Say) and "Acme Dental Clinic" in act.text


@pytest.mark.parametrize(
    ("instructions", "price", "hours"),
    [
        (CLINIC, "check-up", "Monday to Friday"),
        (ESTATE, "Mill Street", "every day"),
        (SALON, "haircut", "Tuesday to Saturday"),
        ("You are a helper.", "fifty dollars", "nine until five"),
    ],
)
def test_it_knows_its_business(instructions: str, price: str, hours: str) -> None:
    assert price in line("How much does it cost?", instructions=instructions)
    assert hours in line("What are your opening hours?", instructions=instructions)


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("I have a complaint, I waited an hour.", "sorry|apologise"),
        ("This is terrible, I am really angry.", "sorry|apologise"),
        ("I want my money back.", "sorry|apologise"),
        ("Thanks a lot.", "welcome|pleasure"),
        ("That is all, thanks. Bye.", "oodbye"),
        ("", "did not catch|still there"),
        ("The sky is blue.", "more|note|patient"),
    ],
)
def test_it_answers_what_callers_want(said: str, part: str) -> None:
    assert any(each in line(said) for each in part.split("|"))


def test_a_booking_collects_day_time_and_name() -> None:
    first = "Hi, I would like to book a cleaning."
    when = "On Tuesday at 3 pm, please."
    assert "What day and time" in line(first)
    assert "Tuesday at 3 pm. May I have your name" in line(first, when)
    assert line(first, when, "My name is Amélie Becker.").startswith("Thank you, Amélie Becker.")
    assert "a cleaning" in line(first, when)


def test_it_remembers() -> None:
    said = ("My name is Dana Whitfield.", "Book a viewing for Friday at 10 am.")
    assert line(*said, "What is my name?") == "Your name is Dana Whitfield."
    assert line(*said, "What time did I book?") == "You asked for Friday at 10 am."
    assert said[0] in line(*said, "What did I say first?")
    assert "do not know" in line("What is my name?")
    assert line(*said, "What did you just say?") == "I said: Yes?"


def test_the_same_seed_says_the_same_and_others_may_not() -> None:
    history = [Said("user", "Hello")]
    scene = Scene(CLINIC, order="", history=history)
    lines = {str(Brain(seed, {}).acts(scene)) for seed in range(20)}
    assert len(lines) > 1
    assert Brain(3, {}).acts(scene) == Brain(3, {}).acts(scene)


def test_a_script_overrides() -> None:
    brain = Brain(0, {"secret word": "You found it."})
    history = [Said("user", "Is there a Secret Word?")]
    assert brain.acts(Scene(CLINIC, order="", history=history)) == [Say("You found it.")]


def test_tools_are_called_as_dictated() -> None:
    tools = [tool("lookup"), tool("book")]
    said = 'Use tool lookup with {"a": {"b": 1}} and tool book with {"c": "}"}'
    both = [CallTool("lookup", '{"a": {"b": 1}}'), CallTool("book", '{"c": "}"}')]
    assert acts(said, tools=tools) == both
    assert acts(said, tools=tools, parallel=False) == both[:1]
    assert acts("Use tool lookup.", tools=tools) == [CallTool("lookup", "{}")]
    assert acts("Use tool lookup with {oops}", tools=tools) == [CallTool("lookup", "{oops}")]
    assert isinstance(acts("Use tool shred with {}", tools=tools)[0], Say)
    assert isinstance(acts(said, tools=tools, tool_choice="none")[0], Say)


def test_a_tool_named_in_plain_words_gets_arguments_of_the_right_types() -> None:
    offered = tool(
        "check_availability",
        day={"type": "string", "enum": ["monday", "friday"]},
        people={"type": "integer"},
        note={"type": "string"},
        urgent={"type": "boolean"},
    )
    said = "Could you check availability on Friday for 4 people?"
    [call] = acts(said, tools=[offered])
    assert isinstance(call, CallTool)
    wanted = {"day": "friday", "people": 4, "note": said, "urgent": True}
    assert json.loads(call.arguments) == wanted


def test_tool_choice_is_obeyed() -> None:
    tools = [tool("one"), tool("two")]
    assert acts("Hello", tools=tools, tool_choice="required") == [CallTool("one", "{}")]
    choice = {"type": "function", "name": "two"}
    assert acts("Hello", tools=tools, tool_choice=choice) == [CallTool("two", "{}")]


def test_goodbye_ends_the_call_only_with_the_tool_for_it() -> None:
    said = "Thank you, goodbye."
    assert acts(said, tools=[tool("end_call")])[1:] == [CallTool("end_call", "{}")]
    assert len(acts(said)) == 1


def test_outputs_of_tools_are_spoken_once() -> None:
    history = [
        Said("user", "Use tool lookup."),
        Said("function_call", "lookup {}"),
        Said("function_call_output", '{"slot": "ten"}'),
        Said("function_call_output", "all done"),
    ]
    scene = Scene(CLINIC, order="", history=history)
    assert Brain(0, {}).acts(scene) == [Say("slot: ten. all done")]
    history += [Said("assistant", "slot: ten. all done"), Said("user", "Thanks.")]
    assert Brain(0, {}).acts(scene) != [Say("slot: ten. all done")]
