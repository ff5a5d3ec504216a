# One activity: work.sh RUN COMPONENT ATTEMPT NEEDED...
# Leaves marks in the folder of its run. Writes to the file `wrong` if the activity should not have run now: a failed
# attempt alone would not be noticed, since the service retries it.
set -u
run=$1 component=$2 attempt=$3
shift 3
mkdir -p "$run"
wrong() {
    echo "$component, attempt $attempt by $WORKER_NAME: $*" | tee -a "$run/wrong" >&2
    exit 1
}
# One worker works at each attempt, once.
mark=$run/$component.$attempt
echo "$WORKER_NAME" >"$mark.$$"
ln "$mark.$$" "$mark.begun" 2>/dev/null || wrong "begun before by $(cat "$mark.begun")"
for needed; do
    [ -e "$run/$needed.done" ] || wrong "$needed is not done"
done
sleep "0.$((RANDOM % 4 + 1))"
# A lost attempt does not get here, because it ended with its worker.
[ ! -e "$run/$component.$((attempt + 1)).begun" ] || wrong "the next attempt began meanwhile"
touch "$run/$component.done"
