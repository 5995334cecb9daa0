"""The six steps, each a few boto3 calls, with what they answer shown."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import boto3
import botocore.session
from rich import box
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from tailorbird.cli.bars import Bars
from tailorbird.cli.demo.films import Films

RECIPES = ("aws-user-personalization", "aws-sims", "aws-personalized-ranking", "aws-popularity-count")
TITLES = {
    "aws-user-personalization": "user personalization",
    "aws-sims": "related films",
    "aws-personalized-ranking": "ranking",
    "aws-popularity-count": "most popular",
}
# Those of AWS (spec recipes-and-runtime 3.2), as narrow columns name them.
METRICS = {
    "mean_reciprocal_rank_at_25": "MRR@25",
    **{f"normalized_discounted_cumulative_gain_at_{k}": f"NDCG\n@{k}" for k in (5, 10, 25)},
    **{f"precision_at_{k}": f"P@{k}" for k in (5, 10, 25)},
    "coverage": "cover",
}
CLICKS_ALONE = (
    "All learn from clicks alone (eventType): a watch here is the echo of a click on the same film in the same second, "
    "and to foresee echoes raises the marks and helps nobody."
)
EXPLORED = (
    "A little known film high in a list may be there by exploration, so that the model learns about it "
    "(explorationWeight)."
)
READING = (
    "NDCG compares a list with the best order of its own hits, so a longer list, which has more of them to order, may "
    "have less. Ranking is measured as user personalization is, and has the same model."
)
LOOK_SECONDS = 0.5
"""Between two looks at jobs, which tell as often how far they are: clients and servers take 10 ms for a look."""
VISITOR = "a new visitor"
"""Whom a few films tell on most: of those who have seen dozens, they change half of a list, and few of it to horror."""
ROLE = "arn:aws:iam::123456789012:role/Demo"
BUCKET = "tailorbird-demo"


class Walk:
    """One way through the six steps; `arns` holds what later steps and the clean-up need."""

    def __init__(self, films: Films, clients: Callable[[str], Any], console: Console) -> None:
        self.films = films
        self.personalize = clients("personalize")
        self.runtime = clients("personalize-runtime")
        self.events = clients("personalize-events")
        self.s3 = clients("s3")
        self.tailorbird = clients("tailorbird")
        self.console = console
        self.arns: dict[str, str] = {}
        self.user = _light_user(films)

    def run(self) -> None:
        """All six steps, with the time that each took."""
        steps: Sequence[tuple[str, Callable[[], None]]] = (
            ("Interactions: upload, schema, import", self.interactions),
            ("Items: what the films are", self.items),
            ("Solutions: train and measure", self.solutions),
            ("Campaigns and filters", self.campaigns),
            ("Interact: related, recommended, clicks, a ranked list, a batch", self.interact),
            ("Clean up", self.clean_up),
        )
        for number, (title, step) in enumerate(steps, 1):
            self.console.rule(f"[bold]{number} of {len(steps)}  {title}", align="left")
            began = time.monotonic()
            step()
            self.console.print(f"[dim]step {number} took {time.monotonic() - began:.1f} s[/dim]\n")

    def interactions(self) -> None:
        """A dataset group with one dataset of clicks and watches."""
        self.s3.create_bucket(Bucket=BUCKET)
        self.arns["group"] = self.personalize.create_dataset_group(name="demo")["datasetGroupArn"]
        fields = [_field("USER_ID"), _field("ITEM_ID"), _field("EVENT_TYPE"), _field("TIMESTAMP", "long")]
        self._load("INTERACTIONS", "Interactions", fields, self.films.interactions_csv())

    def items(self) -> None:
        """The films' genres and years."""
        fields = [_field("ITEM_ID"), _field("GENRE", categorical=True), _field("YEAR", "int")]
        self._load("ITEMS", "Items", fields, self.films.items_csv())

    def _load(self, kind: str, record: str, fields: list[dict[str, Any]], body: bytes) -> None:
        schema = {"type": "record", "name": record, "namespace": "demo", "fields": fields, "version": "1.0"}
        self.arns[f"{kind} schema"] = self.personalize.create_schema(name=kind, schema=json.dumps(schema))["schemaArn"]
        self.arns[kind] = self.personalize.create_dataset(
            name=kind, datasetType=kind, datasetGroupArn=self.arns["group"], schemaArn=self.arns[f"{kind} schema"]
        )["datasetArn"]
        self.s3.put_object(Bucket=BUCKET, Key=f"{kind}.csv", Body=body)
        rows = len(body.splitlines()) - 1
        self.console.print(f"{kind}.csv: {rows:,} rows, {len(body) / 1e6:.1f} MB")
        job = self.personalize.create_dataset_import_job(
            jobName=kind,
            datasetArn=self.arns[kind],
            dataSource={"dataLocation": f"s3://{BUCKET}/{kind}.csv"},
            roleArn=ROLE,
        )["datasetImportJobArn"]
        self._wait({"import": job})

    def solutions(self) -> None:
        """Four recipes at once, then their metrics beside those of the most popular films."""
        self.console.print(CLICKS_ALONE, highlight=False)
        versions = {}
        for recipe in RECIPES:
            solution = self.personalize.create_solution(
                name=recipe,
                datasetGroupArn=self.arns["group"],
                recipeArn=f"arn:aws:personalize:::recipe/{recipe}",
                eventType="click",
            )["solutionArn"]
            self.arns[f"{recipe} solution"] = solution
            version = self.personalize.create_solution_version(solutionArn=solution)["solutionVersionArn"]
            versions[TITLES[recipe]] = self.arns[f"{recipe} version"] = version
        self._wait(versions)
        measured = {
            recipe: self.personalize.get_solution_metrics(solutionVersionArn=self.arns[f"{recipe} version"])["metrics"]
            for recipe in RECIPES
        }
        self.console.print("Measured on users that the models did not see (1 is best):")
        table = Table(Column(no_wrap=True), *METRICS.values(), box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
        for recipe in RECIPES:
            table.add_row(TITLES[recipe], *(f"{measured[recipe][metric]:.3f}" for metric in METRICS))
        self.console.print(table)
        self.console.print(READING, highlight=False)

    def campaigns(self) -> None:
        """Three campaigns and four filters, usable at once."""
        for recipe in RECIPES[:3]:
            self.arns[recipe] = self.personalize.create_campaign(
                name=recipe, solutionVersionArn=self.arns[f"{recipe} version"], minProvisionedTPS=1
            )["campaignArn"]
        for name, expression in {
            "genre": "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)",
            "1970s": "INCLUDE ItemID WHERE Items.YEAR >= 1970 AND Items.YEAR < 1980",
            "watched": 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")',
            "unwatched": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")',
        }.items():
            self.arns[name] = self.personalize.create_filter(
                name=name, datasetGroupArn=self.arns["group"], filterExpression=expression
            )["filterArn"]
            self.console.print(f"filter [bold]{name}[/bold]: {expression}", highlight=False)

    def interact(self) -> None:
        """What the campaigns answer, before and after a few clicks."""
        matrix = next(film for film, about in self.films.films.items() if about.title.startswith("Matrix, The"))
        self._shelves({f"because of {self._title(matrix)}": self._ask("aws-sims", itemId=matrix)})
        horror: dict[str, Any] = {"filterArn": self.arns["genre"], "filterValues": {"GENRE": '"Horror"'}}
        self._shelves(
            {
                f"user {self.user}, not watched yet": self._ask(userId=self.user, filterArn=self.arns["unwatched"]),
                "the same user's 1970s": self._ask(userId=self.user, filterArn=self.arns["1970s"]),
                "the same user's horror": self._ask(userId=self.user, **horror),
            }
        )
        self.console.print(EXPLORED, highlight=False)
        before = self._ask(userId=VISITOR, filterArn=self.arns["unwatched"])
        self._watch(self._best_known("Horror")[:4])
        after = self._ask(userId=VISITOR, filterArn=self.arns["unwatched"])
        self._shelves({VISITOR: before, "after four horror films": after})
        ranked = self.runtime.get_personalized_ranking(
            campaignArn=self.arns["aws-personalized-ranking"], userId=VISITOR, inputList=[*after[::-1], "never-seen"]
        )["personalizedRanking"]
        scored = [
            f"{self._title(each['itemId'])} ({each.get('score', 'no score')})" for each in ranked[:3] + ranked[-1:]
        ]
        self.console.print("a list of 11, ranked; the first three and the last: " + "; ".join(scored), highlight=False)
        self._batch()

    def _watch(self, films: list[str]) -> None:
        """What a website sends: the click that the models learn from, and the watch that the filters go by."""
        tracker = self.personalize.create_event_tracker(name="demo", datasetGroupArn=self.arns["group"])
        self.arns["tracker"] = tracker["eventTrackerArn"]
        for film in films:
            self.console.print(f"{VISITOR} watches [bold]{self._title(film)}[/bold]", highlight=False)
            about = {"sentAt": int(time.time()), "properties": json.dumps({"itemId": film})}
            events = [about | {"eventType": each} for each in ("click", "watch")]
            self.events.put_events(trackingId=tracker["trackingId"], userId=VISITOR, sessionId="demo", eventList=events)

    def _best_known(self, genre: str) -> list[str]:
        """The films of this genre and no other, most rated first."""
        rated = Counter(film for _, film, *_ in self.films.ratings)
        of_genre = {film for film, about in self.films.films.items() if about.genres == genre}
        return [film for film, _ in rated.most_common() if film in of_genre]

    def _batch(self) -> None:
        users = sorted({user for user, *_ in self.films.ratings}, key=int)[:100]
        lines = "\n".join(json.dumps({"userId": user}) for user in users)
        self.s3.put_object(Bucket=BUCKET, Key="users.json", Body=lines.encode())
        job = self.personalize.create_batch_inference_job(
            jobName="demo",
            solutionVersionArn=self.arns["aws-user-personalization version"],
            roleArn=ROLE,
            jobInput={"s3DataSource": {"path": f"s3://{BUCKET}/users.json"}},
            jobOutput={"s3DataDestination": {"path": f"s3://{BUCKET}/out/"}},
        )["batchInferenceJobArn"]
        self._wait({"batch of 100 users": job})
        answers = self.s3.get_object(Bucket=BUCKET, Key="out/users.json.out")["Body"].read().splitlines()
        first = json.loads(answers[0])
        self.console.print(
            f"out/users.json.out has {len(answers)} lines; user {first['input']['userId']} gets "
            + ", ".join(self._title(film) for film in first["output"]["recommendedItems"][:3]),
            highlight=False,
        )

    def clean_up(self) -> None:
        """Everything that the steps made, one directly after the other."""
        client = self.personalize
        for recipe in RECIPES[:3]:
            client.delete_campaign(campaignArn=self.arns[recipe])
        client.delete_event_tracker(eventTrackerArn=self.arns["tracker"])
        for name in ("genre", "1970s", "watched", "unwatched"):
            client.delete_filter(filterArn=self.arns[name])
        for recipe in RECIPES:
            client.delete_solution(solutionArn=self.arns[f"{recipe} solution"])
        for kind in ("INTERACTIONS", "ITEMS"):
            client.delete_dataset(datasetArn=self.arns[kind])
            client.delete_schema(schemaArn=self.arns[f"{kind} schema"])
        client.delete_dataset_group(datasetGroupArn=self.arns["group"])
        while self.arns["group"] in (each["datasetGroupArn"] for each in client.list_dataset_groups()["datasetGroups"]):
            time.sleep(0.1)
        self.console.print("nothing is left")

    def _ask(self, recipe: str = "aws-user-personalization", **request: Any) -> list[str]:
        answer = self.runtime.get_recommendations(campaignArn=self.arns[recipe], numResults=10, **request)
        return [each["itemId"] for each in answer["itemList"]]

    def _title(self, film: str) -> str:
        about = self.films.films.get(film)
        return f"{about.title} ({about.year})" if about else film

    def _shelves(self, shelves: dict[str, list[str]]) -> None:
        table = Table(*shelves, show_lines=False)
        for row in zip(*shelves.values(), strict=False):
            table.add_row(*map(self._title, row))
        self.console.print(table)

    def _wait(self, jobs: dict[str, str]) -> None:
        """Shows all jobs, ARNs by name, until they have ended; raises RuntimeError for one that failed."""
        columns = (
            TextColumn("{task.description:>22}"),
            BarColumn(24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}", markup=False),
        )
        waiting = dict(jobs)
        with Bars(self.console, *columns) as bars:
            while waiting:
                time.sleep(LOOK_SECONDS)
                for name, arn in list(waiting.items()):
                    told = self.tailorbird.get_job_progress(jobArn=arn)
                    if told["status"] == "CREATE FAILED":
                        raise RuntimeError(f"{arn}: {told['failureReason']}")
                    begun = told["status"] != "CREATE PENDING"  # a clock tells the work, not the wait for a worker
                    bars.show(name, told["share"], f"{told['share']:.0%} {told['message']}"[:60], begun=begun)
                    if told["status"] == "ACTIVE":
                        del waiting[name]


def _field(name: str, kind: str = "string", **more: bool) -> dict[str, Any]:
    return {"name": name, "type": kind, **more}


def _light_user(films: Films) -> str:
    """A user with fewer ratings than three of four others, on whom a few clicks tell."""
    counts: dict[str, int] = {}
    for user, *_ in films.ratings:
        counts[user] = counts.get(user, 0) + 1
    return sorted(counts, key=lambda user: (counts[user], user))[len(counts) // 4]


def clients_of(environment: dict[str, str]) -> Callable[[str], Any]:
    """boto3 clients made from the variables that `tailorbird env` prints."""
    core = botocore.session.Session()
    core.set_config_variable("data_path", environment["AWS_DATA_PATH"])
    session: Any = boto3.Session(
        botocore_session=core,
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    return lambda service: session.client(service, endpoint_url=environment["AWS_ENDPOINT_URL"])
