import subprocess
import sys


def test_listing_metrics_works_before_and_after_their_package_is_imported():
    # Importing a subpackage replaces the function of the same name on the parent.
    code = (
        "import tebench; first = tebench.list_metrics(); import tebench.metrics.topology.grtd;"
        "second = tebench.list_metrics();"
        "from tebench import metrics; assert first.keys() == second.keys() == metrics().keys() >= {'grtd', 'lbtc'};"
        "print(len(second))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
