"""The notebook's module: what it writes, refuses and shows. Needs Python alone.

    python3 -m unittest discover --start-directory tests/notebook
"""

import html
import json
import re
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "notebook"))
import sae_attribution  # noqa: E402
from sae_attribution import figure  # noqa: E402

HOSTILE = "</script><img src=x onerror=alert(1)>\u2028\u202e\"'&amp;<!--\ud800"
BUNDLE = "const a=()=>1,b=()=>2;export{a as drawFigure,b as fromJson};\n"


class Tensor:
    """What NumPy's arrays and torch's tensors have in common."""

    def __init__(self, values, shape):
        self.values, self.shape = values, shape

    def tolist(self):
        return self.values


def made(**changed):
    given = dict(attributions=[[1, 2, 3], [4, 5, 6]], sources=["a", "b", "c"], targets=["x", "y"], title="Made")
    return figure(**{**given, **changed})


def written(**changed):
    return json.loads(made(**changed).to_json())


class Written(unittest.TestCase):
    def test_least(self):
        self.assertEqual(
            written(),
            {
                "format_version": 2,
                "title": "Made",
                "sources": {"label": ["a", "b", "c"]},
                "targets": {"label": ["x", "y"]},
                "attributions": [1, 2, 3, 4, 5, 6],
            },
        )

    def test_all(self):
        result = written(
            attributions=Tensor([[0.1, -0.0, 1e-45], [3e38, -1, 0]], (2, 3)),
            gradients=[Tensor([1, 2, 3], (3,)), (4, 5, 6)],
            source_positions=Tensor([0, 0, 1], (3,)),
            target_positions=[0, 1],
            source_activations=(1, 2, 3),
            target_activations=[0.5, 1.5],
            tokens=["<bos>", " a"],
        )
        self.assertEqual(result["attributions"], [0.100000001, 0, 1.40129846e-45, 3.00000001e38, -1, 0])
        self.assertEqual(result["gradients"], [1, 2, 3, 4, 5, 6])
        self.assertEqual(result["sources"], {"label": ["a", "b", "c"], "pos": [0, 0, 1], "activation": [1, 2, 3]})
        self.assertEqual(result["tokens"], {"string": ["<bos>", " a"]})

    def test_empty(self):
        self.assertEqual(written(attributions=[], targets=[])["attributions"], [])
        self.assertEqual(written(attributions=[[], []], sources=[])["attributions"], [])

    def test_positions_tell_labels_apart(self):
        self.assertEqual(written(sources=["a", "a", "b"], source_positions=[0, 1, 0])["sources"]["pos"], [0, 1, 0])

    def test_saved(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "x.json"
            made(title=HOSTILE).save(path)
            self.assertEqual(json.loads(path.read_text("ascii"))["title"], HOSTILE)


class Refused(unittest.TestCase):
    CASES = [
        (dict(attributions=[[1, 2, 3]]), r"attributions has 1 rows, and is not of shape \[2, 3\], targets × sources"),
        (dict(attributions=[[1, 2], [3, 4]]), r"attributions\[0\] has 2 entries, not 3"),
        (dict(attributions=[1, 2, 3, 4, 5, 6]), "attributions has 6 rows"),
        (dict(attributions=[1, 2]), r"attributions\[0\] is not a list"),
        (dict(attributions=Tensor([[1, 2]] * 3, (3, 2))), r"attributions is of shape \[3, 2\], not of shape \[2, 3\]"),
        (dict(attributions="abcdef"), "attributions is not a list"),
        (dict(attributions=None), "attributions is not a list"),
        (dict(attributions=[[1, 2, float("nan")], [4, 5, 6]]), r"attributions\[0\]\[2\] is nan, not a finite number"),
        (dict(attributions=[[1, 2, 3], [float("-inf"), 5, 6]]), r"attributions\[1\]\[0\] is -inf"),
        (dict(attributions=[[1, 2, 1e39], [4, 5, 6]]), r"attributions\[0\]\[2\] is 1e\+39"),
        (dict(attributions=[[1, 2, 10**400], [4, 5, 6]]), r"attributions\[0\]\[2\] is 1000"),
        (dict(attributions=[[1, 2, None], [4, 5, 6]]), r"attributions\[0\]\[2\] is not a number"),
        (dict(attributions=[[1, 2, "3"], [4, 5, 6]]), r"attributions\[0\]\[2\] is 3, not"),
        (dict(gradients=[[1]]), "gradients has 1 rows"),
        (dict(sources=["a", "b", "b"]), r"sources\[1\] and sources\[2\] have the same label: 'b'"),
        (dict(targets=["x", "x"], target_positions=[1, 1]), "have the same label at one position: 'x'"),
        (dict(sources="abc"), "sources is one text"),
        (dict(sources=["a", "b", 3]), r"sources\[2\] is not text"),
        (dict(sources=["a", "b", "c" * 65_537]), r"sources\[2\] is longer than"),
        (dict(source_positions=[0, 1]), "source_positions has 2 entries, not 3"),
        (dict(source_positions=[0, 1, -1]), r"source_positions\[2\] is -1"),
        (dict(source_positions=[0, 1, 1.5]), r"source_positions\[2\] is 1.5"),
        (dict(source_positions=[0, 1, 2], tokens=["a", "b"]), "not an integer from 0 to below 2"),
        (dict(target_activations=[1, float("inf")]), r"target_activations\[1\] is inf"),
        (dict(tokens=[]), "tokens is empty"),
        (dict(tokens="abc"), "tokens is one text"),
        (dict(title=None), "title is not text"),
    ]

    def test_with_a_sentence(self):
        for changed, words in self.CASES:
            with self.subTest(**{"changed": str(changed)[:80]}), self.assertRaisesRegex(ValueError, words):
                made(**changed)

    def test_too_many_pairs(self):
        labels = [str(i) for i in range(5000)]
        with self.assertRaisesRegex(ValueError, "25000000 pairs"):
            made(sources=labels, targets=labels)


class Shown(unittest.TestCase):
    def frame(self, shown, bundle=BUNDLE):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "figure.js"
            path.write_text(bundle)
            with mock.patch.object(sae_attribution, "BUNDLE", path):
                return shown._repr_html_()

    def test_hostile_labels_stay_text(self):
        frame = self.frame(made(title=HOSTILE, sources=["a", "b", HOSTILE], tokens=[HOSTILE]))
        # The frame is all there is: nothing ends its attribute.
        self.assertRegex(frame, r'^<iframe sandbox="allow-scripts" [^<>]* srcdoc="[^"]*"></iframe>$')
        page = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])
        self.assertEqual(len(re.findall("<script", page)), 2)
        self.assertEqual(len(re.findall("</script", page)), 2)
        self.assertNotIn("<img", page)
        self.assertNotIn("\u2028", re.search(r"json\">(.*?)</script>", page)[1])
        data = json.loads(re.search(r"json\">(.*?)</script>", page)[1])
        self.assertEqual(data["sources"]["label"][2], HOSTILE)

    def test_bundle_may_end_no_script(self):
        code = "const c='</script><!--<Script>';" + BUNDLE
        page = html.unescape(re.search(r'srcdoc="([^"]*)"', self.frame(made(), code))[1])
        self.assertIn(r"'\x3c/script>\x3c!--\x3cScript>'", page)
        self.assertNotIn("export", page)
        self.assertIn("a(main, b(document", page)

    def test_says_how_the_bundle_is_built(self):
        with mock.patch.object(sae_attribution, "BUNDLE", Path("/nowhere/figure.js")):
            with self.assertRaisesRegex(FileNotFoundError, "scripts/build --package"):
                made()._repr_html_()
        with self.assertRaisesRegex(RuntimeError, "scripts/build --package"):
            self.frame(made(), "export{a as other};")

    def test_repr(self):
        self.assertEqual(repr(made()), "Figure('Made', 3 sources × 2 targets)")


if __name__ == "__main__":
    unittest.main()
