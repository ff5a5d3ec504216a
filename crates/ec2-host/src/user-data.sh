#!/bin/bash
# Installs ec2-worker from the artifacts bucket by its checksum, and starts it. A machine that cannot do so shuts down, which ends
# it, so that the resource fails instead of waiting for a worker that never polls.
set -euo pipefail
work=$(mktemp -d)
trap 'code=$?; rm -rf "$work"; [ $code -eq 0 ] || shutdown -h now' EXIT
export AWS_DEFAULT_REGION=@@region@@

# At the first start of a machine, its role and its network may need some time.
patiently() {
    for _ in $(seq 30); do
        "$@" && return
        sleep 10
    done
    echo "gave up after 30 tries: $*" >&2
    return 1
}

patiently aws s3 cp --only-show-errors '@@worker@@' "$work/program"
echo "@@sha256@@  $work/program" | sha256sum --check --quiet

# The file has the key of this machine, so only root may read it.
install -d -m 0755 /etc/downspout
umask 077
cat >/etc/downspout/ec2-worker.env <<'SETTINGS'
@@settings@@
SETTINGS
umask 022

# The authority that the machine trusts besides the public ones, if there is one. Images like Debian's know another program.
cat >"$work/authority" <<'AUTHORITY'
@@authority@@
AUTHORITY
if ! grep --quiet CERTIFICATE "$work/authority"; then
    :
elif command -v update-ca-trust >/dev/null; then
    install -D -m 0644 "$work/authority" /etc/pki/ca-trust/source/anchors/downspout.pem
    update-ca-trust
else
    install -D -m 0644 "$work/authority" /usr/local/share/ca-certificates/downspout.crt
    update-ca-certificates
fi

cat >"$work/ec2-worker.service" <<'UNIT'
@@unit@@
UNIT
mkdir -p /etc/systemd/system/ec2-worker.service.d
cat >/etc/systemd/system/ec2-worker.service.d/resource.conf <<'UNIT'
@@service@@
UNIT
cat >"$work/install" <<'INSTALL'
@@install@@
INSTALL
bash "$work/install" "$work/program" "$work/ec2-worker.service"
