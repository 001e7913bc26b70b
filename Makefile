.PHONY: setup tests-setup dev test soak differential check format bench docs screenshots lock deploy operator \
	lint types-tools types-dashboard types-dispatch types-billing types-cli

PYTHON ?= python3
BIN := .venv/bin

setup:  ## Install everything into this folder; does nothing when that is done.
	@$(PYTHON) local/setup.py

dev: setup  ## Run the whole system on http://localhost:$PORT (8787).
	@exec $(BIN)/python -m local

test: check tests-setup  ## Run all tests, some files at once.
	@$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder --durations=10

soak: tests-setup  ## Run what soaks at full length, and every law on 2,000 examples.
	@$(BIN)/python -m pytest --soak --numprocesses=auto --dist=loadfile --no-loadscope-reorder --durations=10

tests-setup: setup
	@$(PYTHON) local/setup.py tests
	@$(BIN)/python -m local.browser

differential: tests-setup  ## Compare every kind of project with what wrangler makes and serves; `test` does most.
	@DIFFERENTIAL="projects more" $(BIN)/python -m pytest tests/differential

check: setup  ## Lint, formatting, types, and security of the workflows.
	@$(MAKE) --no-print-directory --jobs=2 --output-sync types-tools types-dashboard types-dispatch types-billing types-cli lint

lint:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/zizmor --offline --quiet .github cli/action.yml

types-dashboard types-dispatch types-billing types-cli: types-%:
	@cd $* && ../$(BIN)/mypy --config-file ../pyproject.toml .

types-tools:
	@MYPYPATH=dashboard $(BIN)/mypy local bench pipeline deploy

format: setup  ## Format the code.
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup  ## Measure this system beside one object call per request; BENCH_ROUNDS, BENCH_SECONDS shorten it.
	@exec $(BIN)/python -m bench

docs: setup  ## Make the dashboard's pages under /docs/ of docs/*.md.
	@$(BIN)/python -m local.docs_pages

screenshots: setup  ## Take a picture of every page of the dashboard, for docs/images.
	@$(BIN)/python -m local.browser
	@$(BIN)/python -m tests.system.screenshots

deploy: setup  ## Deploy to Cloudflare: ENV=production or staging, DRY_RUN=1, STEP=<name>.
	@exec $(BIN)/python -m deploy

operator: setup  ## Suspend and restore without the dashboard: ARGS="suspend app <id> --reason …", ENV=staging.
	@exec $(BIN)/python -m deploy.operate $(ARGS)

lock: setup  ## Resolve the dependencies of pyproject.toml and of each Worker anew.
	@$(BIN)/python -m local.lock
