# Each target makes the virtual environment and installs what it needs by itself, once.
PYTHON ?= python3
# auto, cpu or cuda: which build of PyTorch is installed on Linux.
TORCH ?= auto
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
PIP := $(BIN)/python -m pip
# Of 13,000 modules, the few that are imported are compiled then.
INSTALL := $(PIP) install --quiet --disable-pip-version-check --no-compile \
	-c requirements.lock
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm
# matplotlib lists its own fonts in a file, by their paths. The list must go with them.
export MPLCONFIGDIR := $(CURDIR)/.venv/matplotlib
OUT ?= book
JUPYTER_BOOK := $(BIN)/jupyter-book build . -W -n --keep-going \
	--config book/_config.yml --toc book/_toc.yml
# Of a book that is there, only the pages whose text has changed are made again, and
# all after an error, which Sphinx would not find again in pages that it keeps.
KEPT = $(@D:%html=%.doctrees)
define MAKE_PAGES
[ -d $(@D) ] && [ -z "$(PUBLISH)" ] || rm -rf $(@D) $(KEPT)
$(JUPYTER_BOOK) --path-output $(@D:%/_build/html=%) || { rm -rf $(KEPT); exit 1; }
endef
TEXTS := $(wildcard book/*.md book/api/*.md book/ja/*.md \
	notebooks/*.ipynb notebooks/ja/*.ipynb)
TOOLS := $(filter-out $(TEXTS) %.pyc, $(wildcard book/*.* book/_static/* \
	book/_templates/* book/_templates/static/* book/figures/* vaelib/*.* vaelib/*/*.* \
	vaelib/widgets/js/*.js vaelib/widgets/js/*/*.js))
ARGS ?=
ZOO ?= book/zoo.toml book/zoo-conv.toml
LIVE = build/live/$(dir $(firstword $(ZOO)))
IMAGES = build/live/images/mnist-test.js
HTML = $(OUT)/_build/html
# What is printed needs the pages alone: those of the book, or some without its models.
PAGES = $(if $(wildcard $(HTML)/index.html),$(HTML),build/pages/_build/html)
HANDOUT ?= build/handout
SLIDES ?= build/slides

.PHONY: train lab test test-fast clean lock lint lint-js
.PHONY: notebooks book zoo paper picture bench handout slides offline
.DELETE_ON_ERROR:

train: .venv/train.stamp  ## the main job: train a VAE on MNIST and draw what it learned
	$(BIN)/vaelib train $(ARGS)

lab: .venv/lab.stamp  ## the notebooks in JupyterLab
	$(BIN)/vaelib lab $(ARGS)

# Two processes share the cores; threads that wait for each other would be much slower.
# Translations have the code of their chapters, which tests/test_chapters.py compares.
test: export OMP_NUM_THREADS = 1
test: .venv/dev.stamp lint  ## all checks: linters, tests, coverage, notebooks
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-fail-under=95 \
		--cov-report=term-missing:skip-covered --durations=25
	$(BIN)/python -m pytest -n 2 --dist loadscope --nbval notebooks --ignore notebooks/ja

test-fast: .venv/dev.stamp  ## the same without the slow tests
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

notebooks: .venv/dev.stamp  ## run every chapter and write both halves of each pair
	$(BIN)/python book/notebooks.py $(ARGS)

# make book PUBLISH=1: readers elsewhere must find the repository.
ifdef PUBLISH
book: address
endif
book: $(HTML)/index.html  ## the published book, for any static host or a USB stick

.PHONY: address
address:
	@grep -q '^  url: "https\?://[^"]' book/_config.yml || { \
		echo "A published book needs the address of its repository: put it into" \
		"book/_config.yml, as url below repository." >&2; exit 2; }

%/_build/tools.stamp: node_modules/.package-lock.json $(TOOLS)
	rm -rf $(@D)
	mkdir -p $(@D)
	touch $@

$(HTML)/index.html: $(OUT)/_build/tools.stamp $(TEXTS)
$(HTML)/index.html: $(LIVE)zoo/index.js $(IMAGES)
	$(MAKE_PAGES)
	cp -r $(LIVE)zoo $(dir $(IMAGES)) $(@D)/_static/live
	touch $@

build/pages/_build/html/index.html: build/pages/_build/tools.stamp $(TEXTS)
	$(MAKE_PAGES)
	touch $@

handout: .venv/dev.stamp $(PAGES)/index.html  ## for a class, in two editions
	$(BIN)/python book/handout.py $(PAGES) $(HANDOUT) $(ARGS)

slides: .venv/book.stamp $(PAGES)/index.html  ## slides: ARGS=02_the_lower_bound
	$(BIN)/python book/slides.py $(PAGES) $(SLIDES) $(ARGS)

offline: .venv/dev.stamp book  ## the book, and the whole of it as one PDF beside it
	$(BIN)/python book/offline.py $(HTML)

# ZOO=tests/zoo.toml: a few small models.
zoo: $(LIVE)zoo/index.js  ## the models of the book, trained and packed for its page

$(IMAGES): book/page_images.py vaelib/data.py vaelib/sprites.py | .venv/book.stamp
	$(BIN)/python book/page_images.py $(@D)

PACKERS := book/zoo.py $(wildcard vaelib/*.py vaelib/*/*.py)
$(LIVE)zoo/index.js: $(ZOO) $(PACKERS) | .venv/book.stamp
	$(BIN)/python book/zoo.py $(ZOO) $(LIVE)

# It may be stopped, and goes on when it is called again.
# Large tensors come from the same memory again, in large pages: up to twice as fast.
KEEP := glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592
paper: export GLIBC_TUNABLES = glibc.malloc.hugetlb=1:$(KEEP)
paper: .venv/train.stamp  ## the runs of Figs 2 and 3, Chapters 12 and 13, for days
	$(BIN)/python book/experiments.py book/experiments.toml build/paper book/results $(ARGS)

picture: .venv/dev.stamp  ## photograph the explorer in Chromium, for the README
	$(BIN)/python book/picture.py

bench: .venv/dev.stamp  ## speed against a plain loop, on a quiet machine; over 30 min
	$(BIN)/python tests/benchmarks/bench.py $(ARGS)

lint: .venv/dev.stamp lint-js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

lint-js: node_modules/.package-lock.json
	$(NPM) run --silent lint

# Packages that only Windows or macOS install.
ELSEWHERE := appnope==1.0.0 colorama==0.4.6 pywinpty==3.1.2
lock: .venv/dev.stamp  ## write requirements.lock from what is installed
	@{ echo "# Every version; a constraints file" \
		"(pip install -c requirements.lock ...):" \
		"it pins what is installed and adds nothing."; \
	echo "# Written by make lock."; \
	{ $(BIN)/pip freeze --all --exclude-editable \
		| sed 's/+cpu$$//' | grep -v '^pip=='; \
	printf '%s\n' $(ELSEWHERE); } | LC_ALL=C sort -fu; } > requirements.lock.part
	mv requirements.lock.part requirements.lock

clean:  ## remove the environment and caches; runs stay
	rm -rf .venv node_modules build book/_build *.egg-info
	rm -rf .pytest_cache .ruff_cache .coverage .coverage.*

.venv/base.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "vaelib needs Python 3.11 or later, and $(PYTHON) is none: name one," \
		"as in make PYTHON=python3.12." >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' || { \
		echo "$(PYTHON) cannot make virtual environments: on Debian and Ubuntu" \
		"install python3-venv." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	@touch $@

FAILED = echo "pip could not install the packages, and says above why;" \
	"book/run-it.md has advice for machines behind a firewall." >&2; exit 2

.venv/train.stamp: .venv/base.stamp pyproject.toml requirements.lock
	@options=$$($(BIN)/python .ci/torch_build.py "$(TORCH)") || exit 2; \
	$(INSTALL) -e . $$options || { $(FAILED); }
	@touch $@

# The extra `book` installs npm.
node_modules/.package-lock.json: package.json package-lock.json | .venv/book.stamp
	$(NPM) ci --silent
	touch $@

# What an extra adds to the environment, in the order in which it grows.
ADDS_lab := JupyterLab and Dask: about a minute, 0.3 GB
ADDS_book := Jupyter Book and Node.js: about a minute, 0.5 GB
ADDS_dev := what the tests need: about two minutes, 1 GB

.venv/lab.stamp .venv/book.stamp .venv/dev.stamp: .venv/%.stamp: .venv/train.stamp
	@echo "Installing $(ADDS_$*)."
	@$(INSTALL) -e '.[$*]' || { $(FAILED); }
	@cp -r vaelib/lab/labextensions .venv/share/jupyter  # as a wheel does
	@touch $@
