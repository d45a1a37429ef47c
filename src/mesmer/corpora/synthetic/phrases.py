"""The words of the synthetic corpus: sentence patterns and what fills them.

In a pattern ``[...]`` marks the words that carry an emotion and ``{...}`` a filler. ``{feeling}`` is one of the emotion's
own words and always carries it. Fillers are neutral, and each split has fillers of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

FEELINGS: Mapping[str, tuple[str, ...]] = {
    "anger": ("furious", "so angry", "outraged", "fed up", "enraged"),
    "disgust": ("disgusted", "sick", "revolted", "nauseous", "grossed out"),
    "fear": ("terrified", "scared", "so afraid", "frightened", "full of dread"),
    "happiness": ("happy", "delighted", "so glad", "overjoyed", "full of joy"),
    "sadness": ("sad", "heartbroken", "miserable", "so lonely", "close to tears"),
    "surprise": ("surprised", "amazed", "astonished", "stunned", "speechless"),
}

FEELING_PATTERNS: tuple[str, ...] = (
    "I am {feeling} about the {thing}",
    "The {thing} makes me {feeling}",
    "{person} left me {feeling}",
    "I feel {feeling} {time}",
    "I was {feeling} at the {place}",
    "{person} and I are {feeling}",
)
"""Patterns that serve every emotion: only the feeling tells which."""

EMOTION_PATTERNS: Mapping[str, tuple[str, ...]] = {
    "anger": (
        "[How dare] {person} touch my {thing}",
        "{person} [ruined] my {thing} again",
        "[Stop lying] to me about the {thing}",
        "I [cannot stand] this {thing} any more",
        "{person} [betrayed] me {time}",
        "{person} [insulted] me at the {place}",
    ),
    "disgust": (
        "That {thing} [smells rotten]",
        "The {place} is [filthy]",
        "There is [mould] all over the {thing}",
        "[Yuck], {person} licked the {thing}",
        "The {thing} is [covered in slime]",
        "What a [revolting] {place}",
    ),
    "fear": (
        "[Somebody is following] me to the {place}",
        "[Please help], {person} is gone",
        "I [dare not] open the {thing}",
        "[Something moved] behind the {thing}",
        "I [hear footsteps] in the {place}",
        "[Do not leave me alone] {time}",
    ),
    "happiness": (
        "I [love] my new {thing}",
        "We [won] the {thing} {time}",
        "{person} and I had [great fun] {time}",
        "What a [lovely] {place}",
        "[Hooray], {person} is back",
        "{person} made us [laugh] {time}",
    ),
    "sadness": (
        "I [miss] {person} so much",
        "{person} [passed away] {time}",
        "We [lost] the {thing} for ever",
        "I [cried] at the {place}",
        "{person} [never came back] to the {place}",
        "I had to [say goodbye] to {person}",
    ),
    "surprise": (
        "[Wow], is that the {thing}",
        "I [did not expect] {person} here",
        "[Oh my], look at the {thing}",
        "[Out of nowhere] came a {thing}",
        "I [cannot believe] {person} is here",
        "[Suddenly] the {thing} was there",
    ),
}

NEUTRAL_PATTERNS: tuple[str, ...] = (
    "The {thing} is next to the {place}",
    "{person} put the {thing} on the table",
    "I am going to the {place} {time}",
    "We talked about the {thing} {time}",
    "{person} works at the {place}",
    "I am reading about the {place}",
    "The {thing} makes room for another one",
    "{person} left the {thing} at the {place}",
    "There are two ways to the {place}",
    "I was with {person} at the {place}",
    "The {place} opens {time}",
    "{person} and I share a {thing}",
    "This {thing} is made of wood",
    "I need a {thing} for the {place}",
    "{person} asked me about the {thing}",
    "My {thing} came with a list",
    "Please bring the {thing} to {person}",
    "The {thing} was moved {time}",
)

JOINTS: tuple[str, ...] = (" and ", ", and ", ", but ")

FILLERS: Mapping[str, tuple[str, ...]] = {
    "person": (
        "Anna", "Ben", "Carla", "David", "Emma", "Felix", "Grace", "Henry", "Irene", "Jack", "Karen", "Leo", "Maria",
        "Nina",
        "Oscar", "Paula", "Robert", "Susan", "Tom", "Vera", "my cousin", "my sister", "the baker", "the doctor",
        "the driver",
        "my brother", "the teacher", "my uncle", "the plumber", "my aunt",
    ),
    "thing": (
        "parcel", "letter", "bicycle", "kettle", "carpet", "ticket", "garden", "window", "jacket", "camera",
        "basket", "engine",
        "blanket", "bottle", "report", "folder", "guitar", "ladder", "mirror", "oven", "painting", "phone", "puzzle",
        "radio",
        "sandwich", "scarf", "shelf", "sofa", "soup", "suitcase", "teapot", "tent", "towel", "train", "umbrella",
        "violin",
        "wallet", "watch", "whistle", "box", "bucket", "cake", "candle", "coat", "curtain", "desk", "door", "drum",
        "fence",
        "lamp",
    ),
    "place": (
        "station", "library", "harbour", "market", "kitchen", "cellar", "office", "museum", "bakery", "airport",
        "castle",
        "clinic", "theatre", "village", "factory", "garage", "hotel", "island", "lobby", "meadow", "park", "river",
        "school",
        "square", "stadium", "tower", "bridge", "chapel", "canteen", "beach",
    ),
    "time": (
        "today", "last night", "this morning", "on Monday", "after lunch", "on Friday", "this evening", "before noon",
        "last week", "on Sunday", "at ten", "all day", "this week", "on Tuesday", "since March",
    ),
}  # fmt: skip
"""Kind -> fillers. Of every five, three belong to train, one to valid and one to test."""
