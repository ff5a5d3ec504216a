# s3cmd does everything that a user of a drop bucket does. $1 is an empty folder.
set -euo pipefail
cd "$1"
host=${AWS_ENDPOINT_URL_S3#http://}
cat > s3cfg <<CONFIG
[default]
access_key = $AWS_ACCESS_KEY_ID
secret_key = $AWS_SECRET_ACCESS_KEY
host_base = $host
host_bucket = $host
bucket_location = $AWS_REGION
use_https = False
progress_meter = False
CONFIG
s3() { s3cmd --config=s3cfg --quiet "$@"; }
head -c 73400320 /dev/urandom > big
printf hello > small
s3 mb s3://s3cmd-bucket
s3 put small s3://s3cmd-bucket/in/small
s3 put --multipart-chunk-size-mb=15 big s3://s3cmd-bucket/in/big
s3 get s3://s3cmd-bucket/in/big back
cmp big back
test "$(s3cmd --config=s3cfg ls --recursive s3://s3cmd-bucket | wc -l)" = 2
head -c 1000 big > begun
s3 get --continue s3://s3cmd-bucket/in/big begun
cmp big begun
s3 cp s3://s3cmd-bucket/in/small s3://s3cmd-bucket/copy/small
s3 mv s3://s3cmd-bucket/copy/small s3://s3cmd-bucket/copy/moved
# `signurl` of s3cmd signs with version 2, which AWS refuses in newer regions and this S3 everywhere.
s3 info s3://s3cmd-bucket > /dev/null
s3 info s3://s3cmd-bucket/in/big > /dev/null
s3cmd --config=s3cfg multipart s3://s3cmd-bucket > /dev/null
mkdir tree
for number in $(seq 20); do echo "$number" > "tree/$number"; done
s3 sync tree/ s3://s3cmd-bucket/tree/
rm tree/7
s3 sync --delete-removed tree/ s3://s3cmd-bucket/tree/
test "$(s3cmd --config=s3cfg ls s3://s3cmd-bucket/tree/ | wc -l)" = 19
s3 expire --expiry-days=3 s3://s3cmd-bucket
s3 del --recursive --force s3://s3cmd-bucket
s3 rb s3://s3cmd-bucket
echo done
