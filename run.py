#!/usr/bin/env python3
"""Dose3D from a fresh clone, without installing anything by hand.

    python3 run.py demo                                   the main job on the patient that comes with Dose3D
    python3 run.py test [pytest options]                  the tests; add --slow for the slow ones too
    python3 run.py gui [--dark]                           the modules in a window that stands in for 3D Slicer
    python3 run.py benchmark [contours | segmentation | ...]    the figures of the README
    python3 run.py segment run CT --output OUT            any dose3d command; `python3 run.py --list` names them all

The first use makes .venv beside this file and installs the pinned packages of requirements/ there (about 2.5 GB on
disk, once); nothing outside this folder changes. Afterwards this file only hands on. Python 3.10 to 3.13.

    DOSE3D_TORCH=cpu|cuda     which PyTorch to install on Linux, without being asked
"""
# Standard library only; must be readable by any Python 3.6+, so that an old one gets a sentence, not a traceback.

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "dose3d-setup.json"
PIP_LOG = VENV / "pip.log"
SUPPORTED = ((3, 10), (3, 11), (3, 12), (3, 13))
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# For a Python without ensurepip (Debian and Ubuntu keep it in a package of its own).
PIP_WHEEL = (
    "https://files.pythonhosted.org/packages/07/25/"
    "ee8c38ae72d66b844ce8eb9711ba905dba21ca1a8a0c960057c41cd23337/pip-26.3-py3-none-any.whl"
)
PIP_SHA256 = "f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13"
FREE_BYTES = 5 * 2**30  # 2.5 GB installed, the downloads beside it, and some air
NETWORK_SIGNS = re.compile(
    "NewConnectionError|NameResolutionError|name resolution|ConnectTimeout|ReadTimeout|timed out|ProxyError|SSLError"
    "|ConnectionReset|Connection refused|Connection aborted|Network is unreachable|getaddrinfo|ConnectionError"
)


class SetupError(Exception):
    """What went wrong and what to do about it, in one line."""


# ---------------------------------------------------------------- which Python, which environment


def python_name(version):
    return ".".join(str(part) for part in version[:2])


def find_python():
    """The interpreter that makes .venv: this one, else another supported one on PATH. Returns (command, version)."""
    if sys.version_info[:2] in SUPPORTED:
        return sys.executable, sys.version_info[:2]
    for version in reversed(SUPPORTED):
        command = shutil.which("python" + python_name(version))
        if command and subprocess.call([command, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return command, version
    raise SetupError(
        "Python {} ({}) cannot be used; Dose3D needs Python 3.10, 3.11, 3.12 or 3.13: install one and start run.py "
        "with it, e.g. python3.12 run.py demo".format(python_name(sys.version_info), sys.executable)
    )


def venv_python():
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def read_stamp():
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return stamp if isinstance(stamp, dict) else {}
    except (OSError, ValueError):
        return {}


def write_stamp(stamp):
    draft = STAMP.with_suffix(".new")
    draft.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    os.replace(str(draft), str(STAMP))


def pins_hash(files):
    """A fingerprint of requirement files: comments and blank lines do not count."""
    lines = []
    for name in files:
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        lines += [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def is_ready(layers, version):
    """True when .venv was completed here, by this Python, for exactly these pins. Starts no process."""
    stamp = read_stamp()
    wanted = {name: pins_hash(files) for name, files in layers}
    wanted.update(python=python_name(version), home=str(VENV))
    return venv_python().exists() and all(stamp.get(name) == value for name, value in wanted.items())


def venv_is_usable(version):
    """True when .venv is a working environment of this Python version with pip in it."""
    stamp = read_stamp()
    if stamp.get("home", str(VENV)) != str(VENV):
        return False
    code = "import sys, pip; print('.'.join(map(str, sys.version_info[:2])))"
    try:
        done = subprocess.run([str(venv_python()), "-I", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return False
    return done.returncode == 0 and done.stdout.decode().strip() == python_name(version)


def make_venv(command):
    """A fresh .venv with pip, also where the Python comes without ensurepip."""
    if VENV.is_dir() and any(VENV.iterdir()) and not (VENV / "pyvenv.cfg").is_file():
        raise SetupError("{} is there but is no Python environment; move it away".format(VENV))
    if VENV.exists():
        say("the old .venv was made elsewhere, by another Python, or is broken: making it anew")
        shutil.rmtree(str(VENV))
    has_ensurepip = subprocess.call([command, "-c", "import ensurepip"], stderr=subprocess.DEVNULL) == 0
    options = [] if has_ensurepip else ["--without-pip"]
    done = subprocess.run(
        [command, "-m", "venv"] + options + [str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode != 0:
        raise SetupError(
            "{} -m venv failed ({}); on Debian and Ubuntu: sudo apt install python3-venv".format(
                command, last_line(done.stdout.decode(errors="replace")) or "no message"
            )
        )
    if not has_ensurepip:
        fetch_pip()


def fetch_pip():
    """Install pip from its wheel, checked by hash."""
    say("this Python comes without pip: fetching it (2 MB)")
    wheel = VENV / PIP_WHEEL.rsplit("/", 1)[1]
    try:
        with urllib.request.urlopen(PIP_WHEEL, timeout=30) as answer:
            content = answer.read()
    except OSError as error:
        remedy = "connect to the internet, or: sudo apt install python3-venv"
        raise SetupError("pip could not be fetched ({}); {}".format(error, remedy)) from error
    if hashlib.sha256(content).hexdigest() != PIP_SHA256:
        raise SetupError("the pip that arrived is not the expected one (hash); instead: sudo apt install python3-venv")
    wheel.write_bytes(content)
    run_pip(["--no-index", str(wheel)], "pip", program=[str(wheel / "pip")])
    wheel.unlink()


# ---------------------------------------------------------------- pip


def say(text):
    print("run.py: " + text, flush=True)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def pip_environment():
    """pip without foreign paths, its temporary files on the disk of .venv (/tmp may be small)."""
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    scratch = VENV / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    environment.update(TMPDIR=str(scratch), TEMP=str(scratch), TMP=str(scratch), PIP_DISABLE_PIP_VERSION_CHECK="1")
    return environment


def run_pip(arguments, title, program=None):
    """`pip install`, showing what it does; on failure one line that says why.

    On a terminal pip draws its own bars; elsewhere (a log, a pipe) one short line a package appears.
    """
    command = [str(venv_python())] + (program or ["-m", "pip"]) + ["install", "--no-input"]
    command += ["--log", str(PIP_LOG)] + arguments
    on_terminal = sys.stdout.isatty()
    process = subprocess.Popen(
        command, env=pip_environment(), stdout=None if on_terminal else subprocess.PIPE, stderr=subprocess.PIPE
    )
    complaints = []
    reader = threading.Thread(target=lambda: complaints.extend(process.stderr), daemon=True)
    reader.start()
    try:
        if not on_terminal:
            show_packages(process.stdout)
        code = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    reader.join()
    if code != 0:
        text = b"".join(complaints).decode(errors="replace")
        raise SetupError("{} could not be installed: {}".format(title, pip_cause(text)))


def show_packages(stream):
    count, start = 0, time.monotonic()
    for line in stream:
        words = line.decode(errors="replace").split()
        if words[:1] == ["Collecting"]:
            count += 1
            say("  {:4.0f} s  {:3d}  {}".format(time.monotonic() - start, count, words[1]))
        elif words[:2] == ["Installing", "collected"]:
            say("  {:4.0f} s  unpacking {} packages".format(time.monotonic() - start, len(words) - 3))


def pip_cause(text):
    """The reason in pip's complaints, with the remedy."""
    if "No space left on device" in text or "not enough space" in text:
        return "the disk is full; free some space, then start again (it goes on where it stopped)"
    if NETWORK_SIGNS.search(text):
        return "the package index did not answer; check the network or proxy, then start again (it goes on)"
    errors = [line for line in text.splitlines() if line.startswith("ERROR:") and "Ignored the following" not in line]
    reason = (errors[-1] if errors else last_line(text))[:200] or "pip gave no reason"
    return "{}; details in {}".format(reason, PIP_LOG)


def drop_half_installed():
    """Forget packages whose installation was cut off: pip writes RECORD last."""
    for packages in list(VENV.glob("lib/python*/site-packages")) + list(VENV.glob("Lib/site-packages")):
        for folder in packages.glob("*.dist-info"):
            if not (folder / "RECORD").is_file():
                shutil.rmtree(str(folder), ignore_errors=True)


# ---------------------------------------------------------------- PyTorch


def installed(package):
    code = "import importlib.metadata as m; print(m.version({!r}))".format(package)
    done = subprocess.run([str(venv_python()), "-I", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout.decode().strip() if done.returncode == 0 else ""


def planned_cuda(pin):
    """URLs of the CUDA packages that a plain `pip install` of this pin would bring; none for a CPU build."""
    report = VENV / "plan.json"
    command = [str(venv_python()), "-m", "pip", "install", "--no-input", "--quiet", "--dry-run"]
    done = subprocess.run(
        command + ["--report", str(report), pin], env=pip_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    if done.returncode != 0:
        raise SetupError("PyTorch could not be planned: " + pip_cause(done.stderr.decode(errors="replace")))
    plan = json.loads(report.read_text(encoding="utf-8"))["install"]
    names = [entry["metadata"]["name"].lower() for entry in plan]
    if not any(name.startswith(("nvidia-", "cuda-")) for name in names):
        return []
    heavy = ("nvidia-", "cuda-", "triton", "torch")
    return [entry["download_info"]["url"] for entry in plan if entry["metadata"]["name"].lower().startswith(heavy)]


def download_size(urls):
    """Sum of the sizes, in words; the servers are asked for headers only."""
    total = 0
    for url in urls:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=10) as answer:
                total += int(answer.headers.get("Content-Length") or 0)
        except (OSError, ValueError):
            return "several GB"
    return "{:.1f} GB".format(total / 1e9)


def has_nvidia_card():
    return os.path.exists("/proc/driver/nvidia/version") or shutil.which("nvidia-smi") is not None


def ask(question, default):
    """Yes or no from the terminal; None when nobody is there to answer."""
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        return None
    answer = input("run.py: {} [{}] ".format(question, "Y/n" if default else "y/N")).strip().lower()
    return default if not answer else answer.startswith("y")


def install_torch(pin):
    """PyTorch alone and first, so that no other package brings the CUDA build unasked."""
    if installed("torch").split("+")[0] == pin.split("==")[1]:
        return
    wish = os.environ.get("DOSE3D_TORCH", "").lower()
    if wish not in ("", "cpu", "cuda"):
        raise SetupError("DOSE3D_TORCH={}: not known; use cpu or cuda".format(wish))
    urls = planned_cuda(pin)
    if urls and not wants_cuda(urls, wish) and install_torch_cpu(pin, urls, wish):
        return
    run_pip([pin], "PyTorch")


def wants_cuda(urls, wish):
    if wish or not has_nvidia_card():
        return wish == "cuda"
    size = download_size(urls)
    answer = ask("an NVIDIA card is here: download PyTorch with CUDA ({})?".format(size), default=True)
    if answer is None:
        say("taking PyTorch's CPU build; for the NVIDIA card set DOSE3D_TORCH=cuda ({})".format(size))
    return bool(answer)


def install_torch_cpu(pin, urls, wish):
    """True when the CPU build was installed; False when the user agreed to the CUDA build instead."""
    say("installing PyTorch's CPU build (0.2 GB)")
    options = ["--index-url", CPU_INDEX, "--timeout", "10", "--retries", "0"]
    try:
        run_pip(options + [pin + "+cpu"], "PyTorch's CPU build")
        return True
    except SetupError as error:
        reason, size = str(error), download_size(urls)
    if wish == "cpu":
        raise SetupError(reason)
    answer = ask("{} does not answer; download PyTorch with CUDA instead ({})?".format(CPU_INDEX, size), default=False)
    if not answer:
        raise SetupError(
            "{} did not answer and the other PyTorch for this machine, with CUDA, is {}; try again, "
            "or allow that download with DOSE3D_TORCH=cuda".format(CPU_INDEX, size)
        )
    return False


# ---------------------------------------------------------------- set up, hand on


def wanted_layers(for_tests):
    layers = [("run", ["run.txt"])]
    return layers + [("test", ["test.txt", "test-no-deps.txt"])] if for_tests else layers


def set_up(layers):
    """Bring .venv to the pins of these layers; safe to interrupt and to start again."""
    command, version = find_python()
    if is_ready(layers, version):
        return
    with SetupLock():
        if is_ready(layers, version):
            return
        start = time.monotonic()
        prepare_venv(command, version)
        for name, files in layers:
            if read_stamp().get(name) != pins_hash(files):
                install_layer(name, files)
                write_stamp(dict(read_stamp(), **{name: pins_hash(files)}))
        shutil.rmtree(str(VENV / "tmp"), ignore_errors=True)
        say("ready after {:.0f} s".format(time.monotonic() - start))


def prepare_venv(command, version):
    if not venv_is_usable(version):
        free = shutil.disk_usage(str(ROOT)).free
        if free < FREE_BYTES:
            raise SetupError(
                "{} has {:.1f} GB free, the packages need {:.0f} GB; free some space".format(
                    ROOT, free / 2**30, FREE_BYTES / 2**30
                )
            )
        say("setting up .venv with Python {} (once; some minutes, about 2.5 GB)".format(python_name(version)))
        make_venv(command)
    drop_half_installed()
    same = dict(read_stamp(), python=python_name(version), home=str(VENV))
    write_stamp(same)


def install_layer(name, files):
    if name == "test":
        say("installing the test packages")
        run_pip(["-r", str(ROOT / "requirements" / files[0])], "the test packages")
        run_pip(["--no-deps", "-r", str(ROOT / "requirements" / files[1])], "the test packages")
        return
    pins = (ROOT / "requirements" / files[0]).read_text(encoding="utf-8").split()
    say("installing PyTorch")
    install_torch(next(pin for pin in pins if pin.startswith("torch==")))
    say("installing the other packages")
    run_pip(["-r", str(ROOT / "requirements" / files[0])], "the packages")


class SetupLock:
    """A second run.py in the same checkout waits until the first has set up (POSIX; elsewhere no lock)."""

    def __enter__(self):
        self.file = open(str(ROOT / "run.py"), "rb")
        try:
            import fcntl
        except ImportError:
            return
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run.py is setting up; waiting for it")
            fcntl.flock(self.file, fcntl.LOCK_EX)
        except OSError:
            return  # a file system without locks

    def __exit__(self, *_):
        self.file.close()


def benchmarks():
    """Scripts by name that print the figures of the README."""
    return {path.stem: path for path in (ROOT / "Testing" / "benchmarks").glob("*.py") if path.stem[0] != "_"}


def program_of(arguments):
    """What Python is given: pytest, a benchmark, the stand-in's window or the command line."""
    first, rest = arguments[0], arguments[1:]
    if first == "test":
        return ["-m", "pytest"] + [os.path.abspath(a) if os.path.exists(a.split("::")[0]) else a for a in rest]
    if first == "benchmark":
        return [str(benchmarks()[rest[0]])] + rest[1:]
    if first == "gui":
        return ["-m", "standin"] + rest
    return ["-m", "Dose3DLib.cli"] + (["--help"] if first == "--list" else arguments)


def check_arguments(arguments):
    """Refuse before anything is installed."""
    if arguments[0] == "benchmark" and (len(arguments) < 2 or arguments[1] not in benchmarks()):
        raise SetupError("benchmark: name one of {}".format(", ".join(sorted(benchmarks()))))


def hand_on(arguments):
    """Become the program (POSIX) or run it (Windows); Ctrl-C and the exit code are its own."""
    places = [ROOT / "Dose3D"] + ([ROOT / "Testing" / "gui"] if arguments[0] == "gui" else [])
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, places)), PYTHONSAFEPATH="1")
    environment.pop("PYTHONHOME", None)
    command = [str(venv_python())] + program_of(arguments)
    if arguments[0] == "test":
        os.chdir(str(ROOT))
    sys.stdout.flush()
    if os.name != "nt":
        os.execve(command[0], command, environment)
    process = subprocess.Popen(command, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            pass  # the program got it, too, and decides


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    try:
        check_arguments(arguments)
        set_up(wanted_layers(for_tests=arguments[0] in ("test", "benchmark", "gui")))
        return hand_on(arguments)
    except SetupError as error:
        line = str(error)
    except KeyboardInterrupt:
        line = "interrupted; start it again and it goes on where it stopped"
    except OSError as error:
        remedy = "free some space" if error.errno == 28 else "mend that"
        line = "{}; {}, then start again".format(error, remedy)
    print("run.py: error: " + " ".join(line.split()), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
