# rclone does everything that a user of a drop bucket does. $1 is an empty folder.
set -euo pipefail
cd "$1"
export RCLONE_CONFIG="$1/rclone.conf" RCLONE_CONFIG_HERE_TYPE=s3 RCLONE_CONFIG_HERE_PROVIDER=Other RCLONE_CONFIG_HERE_ENV_AUTH=true
export RCLONE_CONFIG_HERE_ENDPOINT="$AWS_ENDPOINT_URL_S3" RCLONE_CONFIG_HERE_REGION="$AWS_REGION"
touch rclone.conf
mkdir tree
head -c 73400320 /dev/urandom > tree/big
printf hello > 'tree/small ü+.csv'
rclone mkdir here:rclone-bucket
rclone copy --s3-upload-cutoff 16M --s3-chunk-size 8M tree here:rclone-bucket/in
rclone check tree here:rclone-bucket/in 2> /dev/null
test "$(rclone lsf here:rclone-bucket/in | wc -l)" = 2
cmp <(tail -c +1001 tree/big | head -c 500) <(rclone cat --offset 1000 --count 500 here:rclone-bucket/in/big)
rclone copyto here:rclone-bucket/in/big here:rclone-bucket/copy/big
rclone copyto --s3-copy-cutoff 20M here:rclone-bucket/in/big here:rclone-bucket/copy/parts
rclone check --download --one-way --include big tree here:rclone-bucket/copy 2> /dev/null
test "$(rclone size --json here:rclone-bucket/copy | tr -d ' ')" = '{"count":2,"bytes":146800640,"sizeless":0}'
test "$(curl --silent --fail "$(rclone link 'here:rclone-bucket/in/small ü+.csv')")" = hello
rclone backend versioning here:rclone-bucket Enabled > /dev/null
rclone deletefile 'here:rclone-bucket/in/small ü+.csv'
test "$(rclone lsf --s3-versions here:rclone-bucket/in | wc -l)" = 2
rclone backend cleanup here:rclone-bucket
rclone backend cleanup-hidden here:rclone-bucket
rclone delete here:rclone-bucket
rclone backend cleanup-hidden here:rclone-bucket
rclone rmdir here:rclone-bucket
echo done
