# Sourced by the scripts: makes .venv from the lock files, once for each state of them, and builds the native kernel.

VENV=".venv"
KERNEL="aggregator/kernel"

find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.11 python3.12 python3.13; do
    if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "Python 3.11 or newer is needed; set PYTHON to one" >&2
  exit 1
}

# prepare_environment run|dev: what is installed is recorded in stamps, so that a second call costs nothing.
prepare_environment() {
  local packages project
  packages=$(packages_digest "$1")
  if [ "$(cat "$VENV/.installed-$1" 2>/dev/null)" != "$packages" ] &&
    { [ "$1" = dev ] || [ "$(cat "$VENV/.installed-dev" 2>/dev/null)" != "$(packages_digest dev)" ]; }; then
    install_packages "$1"
    echo "$packages" > "$VENV/.installed-$1"
  fi
  project=$(project_digest)
  if [ "$(cat "$VENV/.built" 2>/dev/null)" != "$project" ]; then
    install_project
    echo "$project" > "$VENV/.built"
  fi
}

install_packages() {
  local python
  python=$(find_python)
  echo "setting up $VENV with $("$python" --version): this happens once" >&2
  [ -x "$VENV/bin/python" ] || "$python" -m venv "$VENV"
  if ! "$VENV/bin/python" -c 'import torch; assert torch.__version__.split("+")[0] == "2.13.0"' 2>/dev/null; then
    echo "  torch ..." >&2
    # The CPU build, by its hash, where the package index serves it.
    install --no-deps --require-hashes -r requirements/torch.txt 2>/dev/null || {
      echo "  no CPU build of torch 2.13.0 here: installing the default build, by version, not by hash ..." >&2
      install torch==2.13.0
    }
  fi
  echo "  $(grep -c '==' requirements/"$1".txt) locked packages ..." >&2
  install --require-hashes --no-deps -r requirements/"$1".txt
}

# The package itself, editable, with its kernel; the build's own tools are locked too.
install_project() {
  local found
  echo "  the project and its native kernel ..." >&2
  install --require-hashes --no-deps -r requirements/build.txt
  if [ "$(missing_build_tools)" != "[]" ]; then
    install --require-hashes --no-deps -r requirements/cmake.txt
  fi
  # CMake remembers the compiler it found, or that it found none: another compiler, another folder.
  found=$(digest "compiler: $(compiler)")
  rm -f "$VENV/build.log"
  install --no-deps --no-build-isolation --log "$VENV/build.log" --editable . \
    --config-settings="build-dir=build/{wheel_tag}-${found:0:8}"
  if ! "$VENV/bin/python" -c 'import aggregator.bn254.native' 2>/dev/null; then
    echo "  the native kernel was not built (C++ compiler: $(compiler); log: $VENV/build.log): a slower one serves" >&2
  fi
}

# CMake and Ninja, where the system has none that will do.
missing_build_tools() {
  "$VENV/bin/python" -c 'from scikit_build_core.build import get_requires_for_build_editable as missing; print(missing({}))'
}

compiler() { command -v "${CXX:-c++}" || command -v g++ || command -v clang++ || echo none; }

install() { PIP_DISABLE_PIP_VERSION_CHECK=1 "$VENV/bin/python" -m pip install -qq "$@"; }

packages_digest() { digest pyproject.toml requirements/torch.txt requirements/"$1".txt; }

project_digest() { digest pyproject.toml requirements/build.txt "$KERNEL" "compiler: $(compiler)"; }

# digest WORD...: of the words, and of every file that they name or that lies under a folder they name.
digest() {
  "$(find_python)" - "$@" <<'PYTHON'
import hashlib, pathlib, sys

state = hashlib.sha256()
for word in sys.argv[1:]:
    path = pathlib.Path(word)
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        state.update(str(file).encode() + b"\0" + (file.read_bytes() if file.is_file() else b""))
print(state.hexdigest())
PYTHON
}
