"""A hash of what code of a user's own computes: a class, and all that it uses from files that are not installed."""

import ast
import hashlib
import importlib.util
import symtable
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

OURS: Final = ("analysis", "lightning_bam", "studies")
INSTALLED: Final = frozenset({"site-packages", "dist-packages"})
"""Folders below which packages are installed, whichever environment they are of."""
SAYS_NOTHING: Final = frozenset({"ctx", "kind", "type_comment", "type_params"})
"""Fields of a node that change no value, or that not every version of Python has."""


def code_hash(file: Path, name: str) -> str:
    """Return 16 hex digits of what the top-level `name` of `file` computes.

    In it are the statements that bind the name or change it (`Own.size = 3`), those that bind what these use, and so
    on, through every file that is neither Python's, nor installed, nor of this project; `import helpers` takes all of
    `helpers.py`. Comments, docstrings, blank lines, unused helpers and the names of the files are not. What is found by
    other means than a name (`getattr(module, text)`, a file that is read) cannot be seen.
    Raises OSError, SyntaxError: a file that cannot be read.
    """
    walk = _walk(file.resolve(), name)
    return hashlib.sha256("\0".join(walk.texts()).encode()).hexdigest()[:16]


def code_files(file: Path, name: str) -> list[Path]:
    """Return the files in which the code of `code_hash` stands, the first of them `file`; raises as `code_hash`."""
    return [*_walk(file.resolve(), name).files]


def is_own(file: Path) -> bool:
    """Say whether a file is a user's: neither Python's, nor installed, nor of this project."""
    path = file.resolve()
    return not INSTALLED & {*path.parts} and not any(path.is_relative_to(folder) for folder in _theirs())


@cache
def _theirs() -> tuple[Path, ...]:
    home = Path(__file__).resolve().parents[2]
    return (Path(sysconfig.get_path("stdlib")).resolve(), *(home / name for name in OURS))


@dataclass(frozen=True)
class _Statement:
    """A top-level statement: its content, the global names that it uses, and those that it binds or changes.

    `imports` are the own files that it leads to, each with the name from there, None for all of it.
    """

    text: str
    uses: frozenset[str]
    binds: frozenset[str]
    imports: tuple[tuple[Path, str | None], ...]


@dataclass
class _Walk:
    """What is needed of each file, in the order in which the files are found."""

    root: Path
    files: dict[Path, list[_Statement]] = field(default_factory=dict)
    needed: dict[Path, set[int]] = field(default_factory=dict)
    names: set[tuple[Path, str | None]] = field(default_factory=set)

    def need(self, file: Path, name: str | None) -> None:
        """Take what binds `name` in `file`, or all of the file, and all that it uses."""
        wanted = [(file, name)]
        while wanted:
            file, name = one = wanted.pop()
            if one in self.names:
                continue
            self.names.add(one)
            if file not in self.files:
                self.files[file] = list(_statements(file, self.root))
                self.needed[file] = set()
            for number, statement in enumerate(self.files[file]):
                if name is None or name in statement.binds or "*" in statement.binds:
                    self.needed[file].add(number)
                    wanted += [(file, used) for used in sorted(statement.uses)]
                    wanted += statement.imports

    def texts(self) -> Iterator[str]:
        """Yield what is needed of each file."""
        for file, numbers in self.needed.items():
            yield "\n".join(self.files[file][number].text for number in sorted(numbers))


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
                yield _Statement(text, frozenset(), frozenset({name}), _leads(node, alias, file, root))
        elif not _is_for_main(node):
            yield _statement(node, file, root)


def _statement(node: ast.stmt, file: Path, root: Path) -> _Statement:
    _drop_docstrings(node)
    table = symtable.symtable(ast.unparse(node), str(file), "exec")
    uses = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    binds = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    inner = list(table.get_children())
    while inner:
        scope = inner.pop()
        inner += scope.get_children()
        uses |= {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_global()}
        binds |= {symbol.get_name() for symbol in scope.get_symbols() if symbol.is_declared_global()}
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not _only_binds(node):
        binds |= uses  # `Own.size = 3`, `register(Own)`: whatever it mentions may be another thing behind it
    imports = [part for part in ast.walk(node) if isinstance(part, ast.Import | ast.ImportFrom)]
    leads = [lead for part in imports for alias in part.names for lead in _leads(part, alias, file, root)]
    return _Statement(_text(node), frozenset(uses), frozenset(binds), tuple(leads))


def _only_binds(node: ast.stmt) -> bool:
    """Say whether a statement only gives values to names."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = ast.Name | ast.Tuple | ast.List | ast.Starred | ast.Store
    return bool(targets) and all(isinstance(part, names) for target in targets for part in ast.walk(target))


def _is_for_main(node: ast.stmt) -> bool:
    """Say whether a statement is `if __name__ == "__main__":`, which no study's file comes to."""
    return isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'" and not node.orelse


def _drop_docstrings(node: ast.AST) -> None:
    for part in ast.walk(node):
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            match part.body[0]:
                case ast.Expr(value=ast.Constant(value=str())):
                    part.body[0] = ast.Pass()


def _text(node: object) -> str:
    """Write a node's content in a way that is the same in every version of Python."""
    if isinstance(node, list):
        return f"[{' '.join(_text(item) for item in node if not isinstance(item, ast.Pass))}]"
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
        module = _file_of(alias.name, root)
        return ((module, None),) if module else ()
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


def _file_of(name: str, root: Path) -> Path | None:
    """Return the own file of an absolute module name; what is installed comes before what lies beside the study."""
    try:
        spec = importlib.util.find_spec(name.partition(".")[0])
    except (ImportError, ValueError, AttributeError):  # `__main__`, or a module that has no spec
        spec = None
    beside = _below(root, name)
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
