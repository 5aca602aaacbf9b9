"""A hash of what code of a user's own computes: a class, and all that it uses from files that are not installed."""

import ast
import hashlib
import importlib.util
import symtable
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import accumulate, groupby
from pathlib import Path
from typing import Final

OURS: Final = ("analysis", "lightning_bam", "studies")
INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
"""Folders below which packages are installed, whichever environment they are of."""
SAYS_NOTHING: Final = frozenset({"ctx", "kind", "type_comment", "type_params"})
"""Fields of a node that change no value, or that not every version of Python has."""


def code_hash(file: Path, name: str) -> str:
    """Return 16 hex digits of what the top-level `name` of `file` computes.

    In it are the statements that bind the name or change it (`Own.size = 3`, `@register`), those that bind what these
    use, and so on, through every file that is neither Python's, nor installed, nor of this project, and the statements
    of these files that change what is not the user's (`torch.set_default_dtype(...)`); `import helpers` takes all of
    `helpers.py`. Comments, docstrings, blank lines, unused helpers, the order of imports and the names of the files are
    not. What is found by other means than a name (`getattr(module, text)`, a file that is read) cannot be seen.
    Raises OSError, SyntaxError: a file that cannot be read.
    """
    return _hash(_walk(file.resolve(), name).texts())


def _hash(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


NOTHING: Final = _hash([])
"""The hash of a name that nothing at the top of a file binds."""


def code_files(file: Path, name: str) -> list[Path]:
    """Return the files that are run for the code of `code_hash`, the first of them `file`; raises as `code_hash`."""
    return [*_walk(file.resolve(), name).files]


def is_own(file: Path) -> bool:
    """Say whether a file is a user's: neither Python's, nor installed, nor of this project."""
    path = file.resolve()
    return not INSTALLED & {*path.parts} and not any(path.is_relative_to(folder) for folder in _theirs())


@cache
def _theirs() -> tuple[Path, ...]:
    home = Path(__file__).resolve().parents[2]
    return (Path(sysconfig.get_path("stdlib")).resolve(), *(home / name for name in OURS))


Place = tuple[Path, str | None]
"""A name of a file; None is all of it."""


@dataclass(frozen=True)
class _Touched:
    """What code changes behind names, as `Own.size = 3`, `TABLE.update(...)` and `register(Own)` do.

    `stored` and `called` are the names of which it sets a part, and those of which it calls a method for its effect;
    `loads` are all that it reads, in which there may be functions that change more.
    """

    stored: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()
    loads: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Statement:
    """A top-level statement: its content, the global names that it uses, and those that it binds.

    `imports` are the own files that it leads to, each with the name from there, None for all of it, and `runs` are the
    files that it runs, packages among them. `now` is what it changes, `later` what its functions do once called.
    """

    text: str
    uses: frozenset[str]
    binds: frozenset[str]
    imports: tuple[Place, ...]
    runs: tuple[Path, ...] = ()
    now: _Touched = _Touched()
    later: _Touched = _Touched()
    is_import: bool = False
    is_call: bool = False


@dataclass
class _Walk:
    """What is needed of each file that is run."""

    root: Path
    files: dict[Path, list[_Statement]] = field(default_factory=dict)
    needed: dict[Path, set[int]] = field(default_factory=dict)
    names: set[Place] = field(default_factory=set)

    def need(self, file: Path, name: str | None) -> None:
        """Take what binds `name` in `file`, or all of the file, all that it uses, and what changes that elsewhere."""
        wanted: list[Place] = [(file, name)]
        while wanted:
            while wanted:
                wanted += self._take(*wanted.pop())
            changed = {
                (file, number)
                for file, statements in self.files.items()
                for number, statement in enumerate(statements)
                if number not in self.needed[file] and self._changes(file, statement)
            }
            for place, number in sorted(changed):
                wanted += self._add(place, number)

    def _take(self, file: Path, name: str | None) -> list[Place]:
        if (file, name) in self.names:
            return []
        self.names.add((file, name))
        self._read(file)
        found = (n for n, s in enumerate(self.files[file]) if name is None or name in s.binds or "*" in s.binds)
        return [place for number in found for place in self._add(file, number)]

    def _add(self, file: Path, number: int) -> list[Place]:
        statement = self.files[file][number]
        self.needed[file].add(number)
        for other in statement.runs:
            self._read(other)
        return [*((file, used) for used in sorted(statement.uses)), *statement.imports]

    def _read(self, file: Path) -> None:
        """Read a file, and those that are run with it."""
        reading = [file]
        while reading:
            if (file := reading.pop()) not in self.files:
                self.files[file] = list(_statements(file, self.root))
                self.needed[file] = set()
                reading += [other for statement in self.files[file] if statement.is_import for other in statement.runs]

    def _changes(self, file: Path, statement: _Statement) -> bool:
        """Say whether a statement changes what is needed, or something that is not the user's own."""
        touched, seen = [(file, statement.now)], set[Place]()
        while touched:
            where, part = touched.pop()
            for name in part.stored | part.called | part.methods:
                leads = [lead for s in self.files[where] if name in s.binds and s.is_import for lead in s.imports]
                foreign = any(name in s.binds and s.is_import and not s.imports for s in self.files[where])
                if foreign and (name in part.stored or (name in part.called and statement.is_call)):
                    return True
                if foreign or (leads and name in part.methods and all(lead[1] is None for lead in leads)):
                    continue  # `nn.Linear(...)`, `helpers.row(...)`
                if any(self._is_needed(place) for place in [(where, name), *leads]):
                    return True
            for name in part.loads:
                touched += self._later((where, name), seen)
        return False

    def _is_needed(self, place: Place) -> bool:
        return place in self.names or (place[1] is None and bool(self.needed.get(place[0])))

    def _later(self, place: Place, seen: set[Place]) -> list[tuple[Path, _Touched]]:
        """Return what functions behind a name change, as far as they are run, each with its file."""
        if place in seen or place[0] not in self.files:
            return []
        seen.add(place)
        file, name = place
        found = [s for s in self.files[file] if name is None or name in s.binds]
        inner = [(file, s.later) for s in found]
        inner += [(file, _Touched(loads=s.now.loads)) for s in found if s.later == _Touched()]
        return inner + [item for s in found if s.is_import for lead in s.imports for item in self._later(lead, seen)]

    def texts(self) -> list[str]:
        """Return what is needed of each file, sorted: in which order files are imported is no matter."""
        return sorted(filter(None, (self._text(file, numbers) for file, numbers in self.needed.items())))

    def _text(self, file: Path, numbers: set[int]) -> str:
        statements = [self.files[file][number] for number in sorted(numbers)]
        parts: list[str] = []
        for is_sorted, group in groupby(statements, lambda s: s.is_import and "*" not in s.binds):
            # as tools sort imports; those of one name stay in their order
            parts += [s.text for s in (sorted(group, key=lambda s: sorted(s.binds)) if is_sorted else group)]
        return "\n".join(parts)


def _walk(file: Path, name: str) -> _Walk:
    root = file.parent
    while (root / "__init__.py").exists():  # a module of a package is imported from where the package lies
        root = root.parent
    walk = _Walk(root)
    walk.need(file, name)
    return walk


def _statements(file: Path, root: Path) -> Iterator[_Statement]:
    for node in ast.parse(file.read_bytes(), str(file)).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                text = f"{_text(alias)} of {getattr(node, 'module', None)} {getattr(node, 'level', 0)}"
                name = alias.asname or (alias.name.partition(".")[0] if isinstance(node, ast.Import) else alias.name)
                leads, runs = _leads(node, alias, file, root), _runs(node, alias, file, root)
                yield _Statement(text, frozenset(), frozenset({name}), leads, runs, is_import=True)
        elif not _is_for_main(node) and not _is_text(node):
            yield _statement(node, file, root)


def _statement(node: ast.stmt, file: Path, root: Path) -> _Statement:
    table = symtable.symtable(ast.unparse(node), str(file), "exec")
    uses = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    binds = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        inner += scope.get_children()
        in_class = scope.get_type() == "class"  # `width = width` in a class reads the file's
        uses |= {s.get_name() for s in scope.get_symbols() if s.is_global() or (in_class and s.is_referenced())}
        binds |= {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_declared_global()}
    imports = [part for part in ast.walk(node) if isinstance(part, ast.Import | ast.ImportFrom)]
    leads = [lead for part in imports for alias in part.names for lead in _leads(part, alias, file, root)]
    runs = [other for part in imports for alias in part.names for other in _runs(part, alias, file, root)]
    now, later = _touched(node, frozenset(uses), frozenset(binds))
    return _Statement(
        _text(node),
        frozenset(uses),
        frozenset(binds),
        tuple(leads),
        tuple(runs),
        now,
        later,
        is_call=isinstance(node, ast.Expr),
    )


def _touched(node: ast.stmt, uses: frozenset[str], binds: frozenset[str]) -> tuple[_Touched, _Touched]:
    """Return what a statement changes when it is run, and what its functions change.

    Of a class these are the methods that Python calls, as `__init__`.
    """
    now: list[ast.AST] = []
    later: list[ast.AST] = []
    parts: list[tuple[ast.AST, bool]] = [(node, False)]
    while parts:
        part, is_later = parts.pop()
        (later if is_later else now).append(part)
        for child in ast.iter_child_nodes(part):
            is_body = isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and child in part.body
            in_method = is_body and part is not node and isinstance(node, ast.ClassDef)
            if not in_method or getattr(part, "name", "").startswith("__"):
                parts.append((child, is_later or is_body))
    kept = uses | binds
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        after = _changed(later, uses)  # `global count`
        return _changed(now, uses), replace(after, stored=after.stored | binds - {node.name})
    here = _changed(now, kept)
    if (here.stored | here.called) & binds and not isinstance(node, ast.Assign | ast.AnnAssign):
        functions = {id(part.func) for part in now if isinstance(part, ast.Call)}
        named = {part.id for part in now if isinstance(part, ast.Name) and id(part) not in functions}
        here = replace(here, stored=here.stored | named & kept)  # `for part in (One, Other): part.size = 3`
    return here, _changed(later, uses)


def _changed(nodes: list[ast.AST], names: frozenset[str]) -> _Touched:
    stored, called, methods = set[str](), set[str](), set[str]()
    for part in nodes:
        match part:
            case ast.Attribute(ctx=ast.Store() | ast.Del()) | ast.Subscript(ctx=ast.Store() | ast.Del()):
                stored.add(_root(part))
            case ast.Delete(targets=targets):
                stored.update(map(_root, targets))
            case ast.Expr(value=ast.Call(func=func, args=args, keywords=keywords)):
                if isinstance(func, ast.Attribute):
                    called.add(_root(func))
                if not (isinstance(func, ast.Name) and func.id == "print"):
                    stored.update(_root(value) for value in [*args, *(word.value for word in keywords)])
            case ast.FunctionDef(decorator_list=marks) | ast.ClassDef(decorator_list=marks):
                methods.update(_root(mark) for mark in marks if not isinstance(mark, ast.Name))
            case ast.Call(func=ast.Attribute() as func):
                methods.add(_root(func))
    loads = {part.id for part in nodes if isinstance(part, ast.Name)}
    return _Touched(*(frozenset(found) & names for found in (stored, called, methods, loads)))


def _root(node: ast.AST) -> str:
    """Return the name at the beginning of `name.part[3].other`, or of a call of that; empty where it is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return ""  # what a function gives is new
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_text(node: object) -> bool:
    """Say whether a statement is a docstring, or another text that nobody reads."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_for_main(node: ast.stmt) -> bool:
    """Say whether a statement is `if __name__ == "__main__":`, which no study's file comes to."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'" and not node.orelse


def _text(node: object) -> str:
    """Write a node's content in a way that is the same in every version of Python."""
    if isinstance(node, list):
        return f"[{' '.join(_text(item) for item in node if not (isinstance(item, ast.Pass) or _is_text(item)))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    values = ((name, getattr(node, name, None)) for name in node._fields if name not in SAYS_NOTHING)
    parts = (f"{name}={_text(value)}" for name, value in values if value is not None and value != [])
    return f"{type(node).__name__}({' '.join(parts)})"


def _leads(
    node: ast.Import | ast.ImportFrom, alias: ast.alias, file: Path, root: Path
) -> tuple[tuple[Path, str | None], ...]:
    """Return the own file that an import takes its name from, if there is one, and the name; None is all of it."""
    if isinstance(node, ast.Import):
        words = [alias.name] if alias.asname else [*accumulate(alias.name.split("."), "{}.{}".format)]
        modules = (_file_of(word, root) for word in words)  # `import a.b` gives `a`
        return tuple((module, None) for module in modules if module)
    if node.level:
        base = file.parents[node.level - 1]
        within, submodule = (
            _below(base, node.module or ""),
            _below(base, ".".join(filter(None, (node.module, alias.name)))),
        )
    else:
        name = node.module or ""
        within, submodule = _file_of(name, root), _file_of(f"{name}.{alias.name}", root)
    if submodule is not None and submodule != within:
        return ((submodule, None),)
    return ((within, None if alias.name == "*" else alias.name),) if within else ()


def _runs(node: ast.Import | ast.ImportFrom, alias: ast.alias, file: Path, root: Path) -> tuple[Path, ...]:
    """Return the own files that an import runs: those it leads to, and the packages around them."""
    level = getattr(node, "level", 0)
    name = alias.name if isinstance(node, ast.Import) else node.module or ""
    words = name.split(".") if name else []
    if level:
        files = [_below(file.parents[level - 1], ".".join(words[:n])) for n in range(len(words) + 1)]
    else:
        files = [_file_of(".".join(words[: n + 1]), root) for n in range(len(words))]
    files += [lead for lead, _ in _leads(node, alias, file, root)]
    return tuple(dict.fromkeys(path for path in files if path is not None))


def _file_of(name: str, root: Path) -> Path | None:
    """Return the own file of an absolute module name; what is installed comes before what lies beside the study."""
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError, AttributeError):  # `__main__`, or a module that has no spec
        spec = None
    beside = _below(root, name)
    if spec is not None and spec.origin is None:  # a folder without __init__.py
        places = (Path(place).resolve().parent for place in spec.submodule_search_locations or ())
        return beside or next((path for place in places if is_own(place) and (path := _below(place, name))), None)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return beside if spec is None else None
    if not is_own(Path(spec.origin)):
        return None
    origin = Path(spec.origin).resolve()  # of a file read earlier, perhaps, that has another beside it
    return beside or _below(origin.parents[1] if spec.submodule_search_locations else origin.parent, name)


def _below(folder: Path, name: str) -> Path | None:
    """Return the file of a module name in a folder, None where there is none."""
    path = folder.joinpath(*filter(None, name.split(".")))
    files = (path.with_suffix(".py") if name else path / "__init__.py", path / "__init__.py")
    return next((file.resolve() for file in files if file.is_file()), None)
