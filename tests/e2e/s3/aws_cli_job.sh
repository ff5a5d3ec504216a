# The AWS CLI does everything that a user of a drop bucket does. $1 is an empty folder.
set -euo pipefail
cd "$1"
# Without this setting, the CLI presigns with version 2 in us-east-1.
aws configure set default.s3.signature_version s3v4
head -c 73400320 /dev/urandom > big
printf hello > small
aws s3 mb s3://cli-bucket > /dev/null
aws s3 cp --quiet small s3://cli-bucket/in/small
aws s3 cp --quiet big s3://cli-bucket/in/big
aws s3 cp --quiet s3://cli-bucket/in/big back
cmp big back
test "$(aws s3 ls --recursive s3://cli-bucket | wc -l)" = 2
aws s3api get-object --bucket cli-bucket --key in/big --range bytes=100-199 part > /dev/null
cmp <(tail -c +101 big | head -c 100) part
aws s3 cp --quiet s3://cli-bucket/in/big s3://cli-bucket/copy/big
aws s3 mv --quiet s3://cli-bucket/in/small s3://cli-bucket/copy/small
test "$(curl --silent --fail "$(aws s3 presign s3://cli-bucket/copy/small)")" = hello
mkdir -p tree/a tree/b
for number in $(seq 30); do echo "$number" > "tree/a/$number"; done
aws s3 sync --quiet tree s3://cli-bucket/tree
rm tree/a/7
aws s3 sync --quiet --delete tree s3://cli-bucket/tree
test "$(aws s3 ls s3://cli-bucket/tree/a/ | wc -l)" = 29
aws s3api put-bucket-versioning --bucket cli-bucket --versioning-configuration Status=Suspended
test "$(aws s3api get-bucket-versioning --bucket cli-bucket --query Status --output text)" = Suspended
aws s3api put-bucket-tagging --bucket cli-bucket --tagging 'TagSet=[{Key=team,Value=data}]'
test "$(aws s3api get-bucket-tagging --bucket cli-bucket --query 'TagSet[0].Value' --output text)" = data
aws s3api create-multipart-upload --bucket cli-bucket --key open > /dev/null
test "$(aws s3api list-multipart-uploads --bucket cli-bucket --delimiter / --query 'Uploads[0].Key' --output text)" = open
# Suspended versions leave delete markers, which a forced removal of the bucket does not see, as on AWS.
aws s3 rm --quiet --recursive s3://cli-bucket
versions=$(aws s3api list-object-versions --bucket cli-bucket --output json --query '{Objects: DeleteMarkers[].{Key: Key, VersionId: VersionId}}')
aws s3api delete-objects --bucket cli-bucket --delete "$versions" > /dev/null
aws s3 cp --quiet small s3://cli-bucket/again
aws s3api delete-object --bucket cli-bucket --key again --version-id null > /dev/null
aws s3 rb --force s3://cli-bucket > /dev/null
aws s3 mb s3://cli-plain > /dev/null
aws s3 cp --quiet --recursive tree s3://cli-plain
aws s3api create-multipart-upload --bucket cli-plain --key open > /dev/null
aws s3 rb --force s3://cli-plain > /dev/null
echo done
