"""What the package offers is said in one place, can be imported, and is described on a page that is up to date."""

import ast
import importlib.util
import inspect
from pathlib import Path

import mcp_demo.client as package

ROOT = Path(__file__).parents[3]


def test_all_is_what_is_imported_for_others_and_no_more() -> None:
    tree = ast.parse(Path(inspect.getfile(package)).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {
        alias.name for node in imports if (node.module or "").startswith("mcp_demo.client.") for alias in node.names
    }
    assert sorted(names) == sorted(package.__all__)
    assert all(getattr(package, name).__doc__ for name in package.__all__)


def test_the_examples_use_public_modules_of_this_package_only() -> None:
    for example in (ROOT / "examples").glob("*.py"):
        for node in ast.walk(ast.parse(example.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mcp_demo"):
                assert not [alias.name for alias in node.names if alias.name.startswith("_")]


def test_the_page_says_what_the_docstrings_say() -> None:
    spec = importlib.util.spec_from_file_location("api_page", ROOT / "docs" / "api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "Run: python docs/api.py"


def test_no_step_of_the_flow_is_made_anywhere_but_in_the_engine() -> None:
    faces = [*(ROOT / "mcp_demo" / name for name in ("cli.py", "access.py", "connect.py"))]
    for folder in ("mcp_demo/client/web", "mcp_demo/lab", "examples"):
        faces += (ROOT / folder).glob("*.py")
    assert len(faces) > 15
    # Lessons send single requests by hand, to show what an attacker would, and repair what broken servers answer.
    no_faces = {"by_hand.py", "forge.py", "repairs.py", "trial.py"}
    for face in (face for face in faces if face.name not in no_faces):
        text = face.read_text(encoding="utf-8")
        made = ("grant_type", "code_verifier", "code_challenge", "/.well-known/", 'token_endpoint"', "/oauth2/token")
        assert not [word for word in made if word in text], face
