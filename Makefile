# make run    open the app on its default experiment (where there is no display: render it to out/first-light.png)
# make test   all checks: ruff, mypy, import-linter, pytest offscreen, the wheel
# make setup  .venv with everything (both of the above do it by themselves)
.PHONY: run test setup lint unit wheel-test pictures bench clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1
export OMP_WAIT_POLICY ?= PASSIVE

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml constraints.txt scripts/setup.sh
	sh scripts/setup.sh "$(PYTHON)" "$(VENV)"
	touch $@

run: setup
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
	  $(BIN)/gradflow; \
	else \
	  mkdir -p out && $(BIN)/gradflow render vanilla-rnn-forgets -o out/first-light.png --at backward:T/2 && \
	  echo "There is no display here: the default experiment has been rendered to out/first-light.png"; \
	fi

# The checks of the text and the wheel's keep one core busy each, the tests two.
test: setup
	$(MAKE) -j2 lint wheel-test
	$(MAKE) unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Compiled here once: where the environment forbids Python to keep what it compiles, every process that a test starts
# would compile the program anew.
unit: setup
	$(BIN)/python -m compileall -q -j 0 engine explorer benchmarks
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -n 2 --dist loadfile

# Builds the wheel, installs it into an empty environment and opens a preset there, far from this checkout.
wheel-test: setup
	sh scripts/wheel_test.sh "$(PYTHON)" "$(BIN)/python"

pictures: setup
	sh scripts/pictures.sh "$(BIN)/gradflow"

bench: setup
	$(BIN)/python -m benchmarks.engine
	$(BIN)/python -m benchmarks.long
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.explorer

clean:
	rm -rf $(VENV) build dist out *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
