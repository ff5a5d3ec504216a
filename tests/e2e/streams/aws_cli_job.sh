# The AWS CLI puts to both protocols. $1 is an empty folder, $2 the folder of the jobs.
# Prints how many records it has put into user-events and user-utm.
set -euo pipefail
cd "$1"
record() { PYTHONPATH="$1" python -c "import records; print(records.$2(), end='')"; }
aws kinesis list-streams --query StreamNames --output text | grep -q user-events
aws kinesis put-record --stream-name user-events --partition-key "$(record "$2" event | head -c 30)" \
    --data "$(record "$2" event)" > answer
grep -q shardId-000000000000 answer
record "$2" event > event.json
aws kinesis put-record --stream-name user-events --partition-key two --data file://event.json > /dev/null
test "$(aws kinesis describe-stream-summary --stream-name user-utm --query StreamDescriptionSummary.StreamStatus --output text)" = ACTIVE
record "$2" visit > visit.json
aws firehose put-record --delivery-stream-name user-utm --record "$(python -c 'import json; print(json.dumps({"Data": open("visit.json").read()}))')" > /dev/null
aws firehose list-delivery-streams --query DeliveryStreamNames --output text | grep -q user-utm
if aws kinesis put-record --stream-name nowhere --partition-key k --data '{}' 2> error; then exit 1; fi
grep -q ResourceNotFoundException error
echo 2 1
