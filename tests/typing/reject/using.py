"""What a call, a setting and a run cannot do."""

from typing import Any

from superparams import Experiment, search


class Train(Experiment):
    required: int
    lr: float = search([0.1, 0.2])
    name: str = "a"

    def run(self) -> dict[str, float]:
        text: str = self.lr  # error
        self.name.missing()  # error
        self.rank.missing()  # error
        return {"lr": text}  # error


class Sub(Train):
    def run(self) -> int:  # error
        return 3


Train()  # error
Train(3)  # error
Train(required=1, lr_=0.1)  # error
Train(required="a")  # error
Train(required=1, lr="a")  # error
Train(required=1, lr=search(["a"]))  # error
space = Train(required=1)
number: int = space[0]  # error
for setting in space:
    name: int = setting.name  # error
    setting.missing()  # error
space[1.0]  # error
Train.from_cli(3)  # error
other: int = Train.from_cli(["required=1"])  # error
space.run_all("2")  # error
space.run_all(numproc=2)  # error: pyright, mypy, pyrefly
space.run_all(2, timeout="3")  # error
space.run_all(on_error="rise")  # error
space.run_all(engine="process")  # error
space.run_all(only="faild")  # error
space.run_all(only=3)  # error
space.run_all(only=[3])  # error
frame: dict[str, Any] = space.run_all()  # error
Train.results(3)  # error
space.results(folder="results")  # error
rows: dict[str, Any] = space.results()  # error
space.results().accept_stale(3)  # error
space.results().changes()[0].missing()  # error
space.place.rnk  # error
space.sample("3")  # error
space.sample()  # error
space.sample(3, sead=1)  # error
space.sobol(3, seed="a")  # error
space.grid(k="a")  # error
space.one_at_a_time()  # error
drawn: int = space.sample(3)  # error
space.place.sample(3).run()  # error
Train.place.results(3)  # error
saved: int = space.place.save(epoch=1)  # error
folder: str = space.place.checkpoint  # error
space.place.load(0, 1)  # error
own: str = space.place.n_settings  # error
of_class: int = Train.place.from_cli(["required=1"])  # error
