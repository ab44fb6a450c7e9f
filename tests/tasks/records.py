"""Questions of our own writing in SQuAD's schema, one in each script that the tests speak of."""

from __future__ import annotations

from typing import Any


def question(
    context: str, text: str, asked: str = "?", name: str = "q", start: int | None = None
) -> dict[str, Any]:
    """A row whose answer is `text`; without an answer where that is empty."""
    answers: dict[str, Any] = {"text": [], "answer_start": []}
    if text:
        place = context.index(text) if start is None else start
        answers = {"text": [text], "answer_start": [place]}
    return {"id": name, "context": context, "question": asked, "answers": answers}


PARAGRAPHS = {
    "en": ("The river Ouse rises near York (in 1998). It is 52 miles long.", "1998"),
    "ru": ("Река Волга впадает в Каспийское море; её длина — 3530 км.", "Каспийское море"),
    "ar": ("يمر نهر النيل في السودان ومصر، ويصب في البحر المتوسط.", "البحر المتوسط"),
    "hi": ("गंगा नदी हिमालय से निकलती है। इसकी लंबाई 2525 किमी है।", "हिमालय"),
    "bn": ("বাংলাদেশের রাজধানী ঢাকা। এটি বুড়িগঙ্গা নদীর তীরে।", "ঢাকা"),
    "te": ("గోదావరి నది నాసిక్ దగ్గర పుడుతుంది. పొడవు 1465 కి.మీ.", "నాసిక్"),
    "th": ("แม่น้ำเจ้าพระยาไหลผ่านกรุงเทพมหานคร ยาว 372 กิโลเมตร", "กรุงเทพมหานคร"),
    "zh": ("长江全长6300公里，发源于青海，流入东海。", "青海"),  # noqa: RUF001
    "sw": ("Mto Tana ndio mrefu zaidi nchini Kenya; una urefu wa km 1000.", "Kenya"),
}
"""Language → (context, an answer in it)."""

ROWS = {language: question(*pair, name=language) for language, pair in PARAGRAPHS.items()}
