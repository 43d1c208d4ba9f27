"""Freshdesk's addresses below ``/solutions``, and the search in them.

Belongs here: which address gives what, in which language. Does not belong here: the articles (``solutions``).
A language that the account does not have, or an article that is not translated into it, is not found.
"""

from sandbox import parameters, shape
from sandbox.account import Request
from sandbox.answers import Answer, Refused, as_json
from sandbox.shape import Json
from sandbox.solutions import Solutions


def answer(request: Request) -> Answer:
    """The table of addresses; a language may stand behind each."""
    solutions, (_, *path) = request.world.solutions, request.path.split("/")
    settings = shape.settings(solutions.language)
    languages = {settings["primary_language"], *settings["supported_languages"]}
    language = path.pop() if path[-1] in languages else solutions.language
    match path:
        case ["categories"]:
            return parameters.one_page(request, [*solutions.categories.values()])
        case ["categories", number]:
            return as_json(200, solutions.categories[_known(solutions.categories, number)])
        case ["categories", number, "folders"]:
            found = solutions.subfolders(_known(solutions.categories, number), None)
        case ["folders", number]:
            return as_json(200, solutions.folder(_known(solutions.folders, number), language))
        case ["folders", number, "subfolders"]:
            parent = _known(solutions.folders, number)
            found = solutions.subfolders(solutions.folders[parent]["category_id"], parent)
        case ["folders", number, "articles"]:
            return parameters.one_page(request, solutions.inside(_known(solutions.folders, number), language))
        case ["articles", number]:
            return as_json(200, _article(solutions, number, language))
        case _:
            return Answer(404)
    return parameters.one_page(request, [solutions.folder(one["id"], language) for one in found])


def search(request: Request) -> Answer:
    """``/search/solutions?term=``: the articles that have the term in title or text."""
    parameters.only(request.query, {"term", "page", "per_page"})
    solutions, term = request.world.solutions, request.query.get("term", "").lower()
    found = [solutions.article(number, solutions.language) for number in solutions.articles]
    return parameters.one_page(
        request, [one for one in found if term in f"{one['title']} {one['description_text']}".lower()]
    )


def _known(records: dict[int, Json], number: str) -> int:
    if not number.isdecimal() or int(number) not in records:
        raise Refused(Answer(404))
    return int(number)


def _article(solutions: Solutions, number: str, language: str) -> Json:
    if not number.isdecimal() or language not in solutions.articles.get(int(number), {}):
        raise Refused(Answer(404))
    return solutions.article(int(number), language)
