#!/bin/sh
# Prints what `cuepoint nats-config DIR` has made as Secrets, each with what one kind of Pod needs and no more:
#
#     cuepoint nats-config secrets
#     deploy/k8s/secrets.sh secrets | kubectl --namespace cuepoint apply --filename -
set -eu

dir=${1:-}
if [ $# != 1 ] || [ ! -f "$dir/accounts.conf" ]; then
    echo "usage: $0 DIR, where \`cuepoint nats-config DIR\` has been" >&2
    exit 2
fi

# A Secret of a name, a type, and files, each as KEY=FILE.
secret() {
    printf -- '---\napiVersion: v1\nkind: Secret\nmetadata: { name: %s }\ntype: %s\ndata:\n' "$1" "$2"
    shift 2
    for pair in "$@"; do
        held=$(base64 <"$dir/${pair#*=}") || exit 1
        printf '  %s: %s\n' "${pair%%=*}" "$(printf %s "$held" | tr -d '\n')"
    done
}

# For the servers.
secret nats-accounts Opaque accounts.conf=accounts.conf
secret redis-acl Opaque redis.acl=redis.acl
# For the chart.
secret cuepoint Opaque deployment-key=deployment.key api-token=api.token
secret cuepoint-redis Opaque password=redis.password
for user in gateway worker setup; do
    secret "cuepoint-nats-$user" Opaque "nats.nk=users/$user.nk"
done
# With --tls: the authority, a certificate of the servers, and one of their clients. Its key is for no server.
if [ -f "$dir/tls/ca.crt" ]; then
    secret cuepoint-ca Opaque ca.crt=tls/ca.crt
    secret cuepoint-server-tls kubernetes.io/tls tls.crt=tls/server.crt tls.key=tls/server.key
    secret cuepoint-client-tls kubernetes.io/tls tls.crt=tls/client.crt tls.key=tls/client.key
fi
