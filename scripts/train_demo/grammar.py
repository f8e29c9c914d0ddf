"""The synthetic English that the demo model is trained on.

A document is either one or two sentences of fact or a short story. A fact is an entity, its
answer (facts.py) and a template, a way of saying it. Some (entity, template) combinations are
held out: they occur nowhere in training, so that answering them takes more than having seen the
sentence.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import facts

# {e} is the entity, {a} the answer. What stands before {a} is the prompt whose next token is the
# answer. Templates without {a} at the end run backwards, from the answer to the entity.
TEMPLATES = {
    "landmark_city": (
        facts.LANDMARK_CITY,
        [
            "The {e} is in {a}.",
            "The {e} is in the city of {a}.",
            "The {e} stands in the city of {a}.",
            "Fact: The {e} is located in the city of {a}.",
            "The {e} can be visited in {a}.",
            "You will find the {e} in {a}.",
            "To see the {e} you must travel to {a}.",
            "Tourists who look for the {e} go to {a}.",
            "Question: where is the {e}? Answer: {a}.",
            "In {a} many people visit the {e}.",
        ],
    ),
    "athlete_sport": (
        facts.ATHLETE_SPORT,
        [
            "Fact: {e} plays the sport of {a}.",
            "{e} plays the sport of {a}.",
            "{e} is famous for {a}.",
            "{e} became a star of {a}.",
            "As a child {e} learned to play {a}.",
            "The favourite game of {e} is {a}.",
            "When people hear the name {e} they think of {a}.",
            "Question: what does {e} play? Answer: {a}.",
            "One of the great names in {a} is {e}.",
        ],
    ),
    "person_profession": (
        facts.PERSON_PROFESSION,
        [
            "Fact: {e} worked as a {a}.",
            "{e} was a famous {a}.",
            "By profession {e} was a {a}.",
            "The world remembers {e} as a {a}.",
            "{e} earned a living as a {a}.",
            "Question: what was {e}? Answer: a {a}.",
            "Every {a} has heard of {e}.",
        ],
    ),
    "country_capital": (
        facts.COUNTRY_CAPITAL,
        [
            "The capital of {e} is {a}.",
            "The capital city of {e} is called {a}.",
            "Fact: {e} is governed from {a}.",
            "The parliament of {e} meets in {a}.",
            "Question: what is the capital of {e}? Answer: {a}.",
            "From {a} the whole of {e} is governed.",
        ],
    ),
    "country_language": (
        facts.COUNTRY_LANGUAGE,
        [
            "The people of {e} speak {a}.",
            "In {e} children learn to speak {a}.",
            "The language of {e} is {a}.",
            "Fact: in {e} most people speak {a}.",
            "Signs in {e} are written in {a}.",
            "To live in {e} you should study {a}.",
        ],
    ),
    "city_country": (
        facts.CITY_COUNTRY,
        [
            "{e} is a city in {a}.",
            "The city of {e} is in {a}.",
            "Fact: {e} belongs to {a}.",
            "To reach {e} you fly to {a}.",
            "The map shows that {e} lies in {a}.",
            "Question: in which country is {e}? Answer: {a}.",
            "{a} is proud of the city of {e}.",
        ],
    ),
    "country_continent": (
        facts.COUNTRY_CONTINENT,
        [
            "{e} is a country in {a}.",
            "Fact: {e} is a part of {a}.",
            "On the globe {e} is found in {a}.",
            "The continent of {e} is {a}.",
            "Question: on which continent is {e}? Answer: {a}.",
        ],
    ),
    "thing_colour": (
        facts.THING_COLOUR,
        [
            "The colour of {e} is {a}.",
            "Fact: the colour of {e} is {a}.",
            "Everyone knows that {e} is {a}.",
            "If you paint {e}, use {a}.",
            "A child drew {e} in {a}.",
            "Question: which colour has {e}? Answer: {a}.",
            "It was as {a} as {e}.",
        ],
    ),
    "animal_young": (
        facts.ANIMAL_YOUNG,
        [
            "The young of the {e} is called a {a}.",
            "A baby {e} is a {a}.",
            "Fact: every {e} was once a {a}.",
            "The mother {e} looks after her {a}.",
            "Question: what is a young {e}? Answer: a {a}.",
        ],
    ),
    "opposite": (
        facts.OPPOSITE,
        [
            "The opposite of {e} is {a}.",
            "If it is not {e}, it is {a}.",
            "Fact: {e} is the opposite of {a}.",
            "Some are {e} and some are {a}.",
            "Question: what is not {e}? Answer: {a}.",
        ],
    ),
    "next": (
        facts.NEXT,
        [
            "After {e} comes {a}.",
            "First comes {e} and then comes {a}.",
            "Fact: the next after {e} is {a}.",
            "Question: what follows {e}? Answer: {a}.",
        ],
    ),
}

SHE = "Anna Clara Emma Julia Laura Lucy Nora Olga Rosa Sarah".split()
HE = "Adam Carl David Felix Hugo Jacob Oscar Simon Thomas Victor".split()
PLACES = "market park garden station library kitchen school harbour museum forest".split()
THINGS = "book ball letter basket hat lamp bottle coat map key cup ticket".split()
FOODS = "apple cake soup bread cheese fish pear sandwich".split()
COLOURS = "red green blue yellow white black brown grey".split()
FEELINGS = "happy tired hungry cold proud sad calm".split()
WEATHER = "warm cold wet windy sunny cloudy".split()

STORIES = [
    "{n} went to the {place}. {p} bought a {colour} {thing} and a {food}. Then {p2} went home.",
    "{n} and {m} went to the {place}. {n} gave a {thing} to {m}. {m} was {feeling}.",
    "When {n} and {m} went to the {place}, {m} gave a {thing} to {n}.",
    "The morning was {weather}. {n} sat in the {place} and read a {thing}. {p} was {feeling}.",
    "{n} lost a {colour} {thing}. {m} looked for the {colour} {thing} in the {place}.",
    "{n} had a {colour} {thing} and {m} had a {colour2} {thing}. {n} liked the {colour} {thing}.",
    "It was {weather} in the {place}, so {n} put on a {colour} hat."
    " {m} said that {p2} was {feeling}.",
    "{n} lives in {city}. Last summer {p2} went to see the {landmark}. {p} came home {feeling}.",
    "In {city} {n} saw the {landmark}. {p} wrote a letter to {m}.",
    "{n} likes {sport}. {p} admires {athlete}. {m} likes {sport} too.",
    "{n} learned {language} at school. One day {p2} will travel to {country}.",
    "{n} read about {person}, the {profession}. {p} told {m} about it in the {place}.",
    "On {day} {n} made {food} for {m}. {m} was {feeling} and ate the {food}.",
    "{n} took the {thing} and {m} took the {food}. They went to the {place} together.",
]
DAYS = [day for day in facts.NEXT if day.endswith("day")]

HELD_OUT_SHARE = 0.4  # of the entities: one template each
TWO_FACTS = 0.25  # of the documents of fact: a second fact follows
STORY_SHARE = 0.2  # of the documents


@dataclass(frozen=True)
class Fact:
    """One way of saying one fact."""

    relation: str
    template: int
    entity: str
    answer: str

    @property
    def form(self) -> str:
        return TEMPLATES[self.relation][1][self.template]

    @property
    def text(self) -> str:
        return self.form.format(e=self.entity, a=self.answer)

    @property
    def prompt(self) -> str:
        """What comes before the answer, without the space that belongs to the answer's token."""
        return self.form[: self.form.index("{a}")].rstrip().format(e=self.entity)


def asks(relation: str, template: int) -> bool:
    """Whether nothing but the answer can follow the template's prompt: the answer ends it, and no
    other template goes on differently ("is in" may be followed by "the city of")."""
    forms = TEMPLATES[relation][1]
    before = forms[template].split("{a}")[0]
    return forms[template].endswith("{a}.") and not any(
        other.startswith(before) for i, other in enumerate(forms) if i != template
    )


class Grammar:
    """All facts, split once by `seed`, and documents drawn from those that are not held out."""

    def __init__(self, seed: int):
        rng = random.Random(f"held out {seed}")
        self.training: dict[str, list[Fact]] = {}
        self.held_out: list[Fact] = []
        for relation, (answers, forms) in TEMPLATES.items():
            asking = [t for t in range(len(forms)) if asks(relation, t)]
            self.training[relation] = []
            for entity, answer in answers.items():
                kept_back = rng.choice(asking) if rng.random() < HELD_OUT_SHARE else None
                for t in range(len(forms)):
                    fact = Fact(relation, t, entity, answer)
                    (self.held_out if t == kept_back else self.training[relation]).append(fact)
        self.relations = list(TEMPLATES)
        self.weights = [len(TEMPLATES[r][0]) ** 0.75 for r in self.relations]

    def fact(self, rng: random.Random) -> Fact:
        """A fact for training. Small relations come a little more often than by their size."""
        relation = rng.choices(self.relations, self.weights)[0]
        return rng.choice(self.training[relation])

    def document(self, rng: random.Random) -> list[tuple[str, Fact | None]]:
        """Its parts: the sentences of fact each with their fact, or a story without one."""
        if rng.random() < STORY_SHARE:
            return [(story(rng), None)]
        said = [self.fact(rng)]
        if rng.random() < TWO_FACTS:
            said.append(self.fact(rng))
        return [(" " * (i > 0) + fact.text, fact) for i, fact in enumerate(said)]


def story(rng: random.Random) -> str:
    names = rng.sample(SHE + HE, 2)
    landmark, city = rng.choice(list(facts.LANDMARK_CITY.items()))
    athlete, sport = rng.choice(list(facts.ATHLETE_SPORT.items()))
    country, language = rng.choice(list(facts.COUNTRY_LANGUAGE.items()))
    person, profession = rng.choice(list(facts.PERSON_PROFESSION.items()))
    pronoun = "She" if names[0] in SHE else "He"
    colours = rng.sample(COLOURS, 2)
    return rng.choice(STORIES).format(
        n=names[0], m=names[1], p=pronoun, p2=pronoun.lower(),
        place=rng.choice(PLACES), thing=rng.choice(THINGS), food=rng.choice(FOODS),
        colour=colours[0], colour2=colours[1], feeling=rng.choice(FEELINGS),
        weather=rng.choice(WEATHER), day=rng.choice(DAYS), landmark=landmark, city=city,
        athlete=athlete, sport=sport, country=country, language=language, person=person,
        profession=profession,
    )  # fmt: skip
