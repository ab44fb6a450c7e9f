"""What can be trained on, in English. Torch-free, plain data.

`rows` are published sizes. `tokens` are estimated: measured with XLM-R's tokenizer on some
records of each set, over all that the encoder reads of a row (of multiple choice: every choice
with its prompt), special tokens included. `epochs` and batch size of the intermediate tasks are
Phang et al.'s, recalled but for what they share with XTREME's.
"""

from __future__ import annotations

from xtl.tasks.catalogue.recipes import LOOKUP_RECIPE, QA_LENGTH, recipe
from xtl.tasks.entries import DatasetRef, Task
from xtl.tasks.forms import DUPLICATE, NAMES, NLI, PARAPHRASE, UPOS

_SNLI = DatasetRef("stanfordnlp/snli", "plain_text", "train", "nli")
_MNLI = DatasetRef("nyu-mll/glue", "mnli", "train", "nli")
_ANLI = tuple(
    DatasetRef("facebook/anli", "plain_text", f"train_r{number}", "nli") for number in (1, 2, 3)
)

_INTERMEDIATE = (
    Task(
        name="anli+",
        family="sentence-pair",
        tables=(_SNLI, _MNLI, *_ANLI),
        rows=1_104_934,  # 549,367 labelled (recalled) + 392,702 + 16,946 + 45,460 + 100,459
        tokens=49,
        epochs=2,  # recalled, as the batch of 24 is
        recipe=recipe(24),
        labels=NLI,
    ),
    Task(
        name="mnli",
        family="sentence-pair",
        tables=(_MNLI,),
        rows=392_702,
        tokens=46,
        epochs=2,  # recalled, as the batch of 24 is
        recipe=recipe(24),
        labels=NLI,
    ),
    Task(
        name="qqp",
        family="sentence-pair",
        tables=(DatasetRef("nyu-mll/glue", "qqp", "train", "qqp"),),
        rows=363_846,  # recalled
        tokens=37,
        epochs=3,  # recalled, as the batch of 24 is
        recipe=recipe(24),
        labels=DUPLICATE,
    ),
    Task(
        name="squad-v2",
        family="span-qa",
        tables=(DatasetRef("rajpurkar/squad_v2", "squad_v2", "train", "squad"),),
        rows=130_319,
        tokens=216,
        epochs=3,  # recalled, as the batch of 8 is; of both SQuADs
        recipe=recipe(8, QA_LENGTH),
    ),
    Task(
        name="squad-v1.1",
        family="span-qa",
        tables=(DatasetRef("rajpurkar/squad", "plain_text", "train", "squad"),),
        rows=87_599,
        tokens=218,
        epochs=3,
        recipe=recipe(8, QA_LENGTH),
    ),
    Task(
        name="hellaswag",
        family="multiple-choice",
        tables=(DatasetRef("Rowan/hellaswag", "default", "train", "hellaswag"),),
        rows=39_905,
        tokens=217,
        epochs=7,  # recalled, as the batch of 24 is
        recipe=recipe(24),
        choices=4,
    ),
    Task(
        name="ccg",
        family="tagging",
        tables=(),  # CCGbank is under an LDC licence: the user brings the files
        rows=38_015,  # recalled, and so are its 1,363 tags, which the data name
        tokens=30,  # not measured: there are no records of it to measure
        epochs=15,  # recalled, as the batch of 24 is
        recipe=recipe(24),
    ),
    Task(
        name="cosmosqa",
        family="multiple-choice",
        tables=(DatasetRef("allenai/cosmos_qa", "default", "train", "cosmosqa"),),
        rows=25_262,
        tokens=476,
        epochs=15,  # recalled, as the batch of 4 is
        recipe=recipe(4),
        choices=4,
    ),
    Task(
        name="commonsenseqa",
        family="multiple-choice",
        tables=(DatasetRef("tau/commonsense_qa", "default", "train", "commonsenseqa"),),
        rows=9_741,
        tokens=113,
        epochs=10,  # recalled, as the batch of 4 is
        recipe=recipe(4),
        choices=5,
    ),
)

# The English training sets of XTREME's other targets, with the settings of the target.
_TARGETS_OWN = (
    Task(
        name="paws-x",
        family="sentence-pair",
        tables=(DatasetRef("google-research-datasets/paws-x", "en", "train", "paws-x"),),
        rows=49_401,
        tokens=64,
        epochs=5,
        recipe=recipe(32),
        labels=PARAPHRASE,
    ),
    Task(
        name="udpos",
        family="tagging",
        tables=(DatasetRef("google/xtreme", "udpos.English", "train", "udpos"),),
        rows=21_253,
        tokens=22,
        epochs=10,
        recipe=recipe(32),
        labels=UPOS,
    ),
    Task(
        name="panx",
        family="tagging",
        tables=(DatasetRef("google/xtreme", "PAN-X.en", "train", "panx"),),
        rows=20_000,  # recalled
        tokens=18,
        epochs=10,
        recipe=recipe(32),
        labels=NAMES,
    ),
    Task(
        name="tydiqa",
        family="span-qa",
        tables=(
            DatasetRef(
                "google-research-datasets/tydiqa", "secondary_task", "train", "tydiqa", "english"
            ),
        ),
        rows=3_696,
        tokens=155,
        epochs=2,
        recipe=recipe(16, QA_LENGTH),
    ),
)

_DEMO = (
    Task(
        name="lookup-pool",
        family="span-qa",
        tables=(DatasetRef("xtl/cldr-lookup", "pool", "train", "squad"),),
        rows=4096,
        tokens=53,
        epochs=1,
        recipe=LOOKUP_RECIPE,
    ),
    Task(
        name="lookup-qa",
        family="span-qa",
        tables=(DatasetRef("xtl/cldr-lookup", "target", "train", "squad"),),
        rows=256,
        tokens=53,
        epochs=2,
        recipe=LOOKUP_RECIPE,
    ),
)

TASKS: dict[str, Task] = {task.name: task for task in (*_INTERMEDIATE, *_TARGETS_OWN, *_DEMO)}
