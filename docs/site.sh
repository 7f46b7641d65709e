# What differs between installations. Fill it in once, and begin with it in each shell that you run the commands of docs/ in:
#
#     . ./site.sh
#
# A variable that is set already stays as it is. No secret stands here: passwords are in ~/.pgpass and in the profiles of AWS.

# The pages are written for bash, of version 3.2 or later: another shell, such as zsh, splits words and reads comments otherwise.
if [ -z "${BASH_VERSION:-}" ]; then
  echo "site.sh: this shell is not bash, and the blocks of docs/ do something else in it; type bash, and begin again in that one" >&2
  return 1
fi

export AWS_REGION="${AWS_REGION:-eu-central-1}"
export AWS_DEFAULT_REGION="$AWS_REGION"
# Who administrates the account, and may look everywhere. A command that wants more says so by itself: AWS_PROFILE=operator where the
# signing key is touched, AWS_PROFILE=record where the record is, AWS_PROFILE=files where the files or the database's address are. Each is a
# role of deploy/key.yaml (`role_arn` in ~/.aws/config is the output OperatorRoleArn, RecordRoleArn, FilesRoleArn). And the account's own:
# AWS_PROFILE=deployment (stacks and policies), on-call (starts the tasks anew), trust (changes these two), as docs/principals.md has them.
export AWS_PROFILE="${AWS_PROFILE:-administrator}"

# prod, staging or sandbox, as CHECKPOINT_SIGNER_ENVIRONMENT or as ENVIRONMENT (deploy/README.md); prod, where neither is set. A shell is of one
# environment for as long as it lives: what was set for one must not be taken for another.
export CHECKPOINT_SIGNER_ENVIRONMENT="${CHECKPOINT_SIGNER_ENVIRONMENT:-${ENVIRONMENT:-prod}}"
if [ "${SITE_ENVIRONMENT:-$CHECKPOINT_SIGNER_ENVIRONMENT}" != "$CHECKPOINT_SIGNER_ENVIRONMENT" ]; then
  echo "site.sh: this shell is of $SITE_ENVIRONMENT, and CHECKPOINT_SIGNER_ENVIRONMENT is $CHECKPOINT_SIGNER_ENVIRONMENT now; open another shell for that" >&2
  return 1
fi
if [ "${ENVIRONMENT:-$CHECKPOINT_SIGNER_ENVIRONMENT}" != "$CHECKPOINT_SIGNER_ENVIRONMENT" ]; then
  echo "site.sh: ENVIRONMENT is $ENVIRONMENT, and CHECKPOINT_SIGNER_ENVIRONMENT is $CHECKPOINT_SIGNER_ENVIRONMENT; open another shell, and set one of them" >&2
  return 1
fi
export ENVIRONMENT="$CHECKPOINT_SIGNER_ENVIRONMENT"
export SITE_ENVIRONMENT="$CHECKPOINT_SIGNER_ENVIRONMENT"
# Where its names are, one domain for each environment
case "$SITE_ENVIRONMENT" in
  prod) SITE_DOMAIN="${SITE_DOMAIN:-example.org}" ;;
  *) SITE_DOMAIN="${SITE_DOMAIN:-$SITE_ENVIRONMENT.example.org}" ;;
esac
# The secret with the address of the database that holds the record, for operators (deploy/README.md, "The database")
export CHECKPOINT_SIGNER_RECORD="${CHECKPOINT_SIGNER_RECORD:-secretsmanager:amply/$CHECKPOINT_SIGNER_ENVIRONMENT/checkpoint-record}"
# The secret with the address that the tasks are given
export DATABASE_SECRET="${DATABASE_SECRET:-amply/$CHECKPOINT_SIGNER_ENVIRONMENT/checkpoint-signer-database}"

# gRPC: the load balancer; and each replica, with commas, where they can be reached one by one
export CHECKPOINT_SIGNER_SERVER="${CHECKPOINT_SIGNER_SERVER:-https://signer.$SITE_DOMAIN:50051}"
export CHECKPOINT_SIGNER_SERVERS="${CHECKPOINT_SIGNER_SERVERS:-$CHECKPOINT_SIGNER_SERVER}"
# The authority of its certificate, and your own certificate, with the roles operator and auditor
export CHECKPOINT_SIGNER_SERVER_CA="${CHECKPOINT_SIGNER_SERVER_CA:-ca.crt}"
export CHECKPOINT_SIGNER_CLIENT_CERTIFICATE="${CHECKPOINT_SIGNER_CLIENT_CERTIFICATE:-operator.crt}"
export CHECKPOINT_SIGNER_CLIENT_KEY="${CHECKPOINT_SIGNER_CLIENT_KEY:-operator.key}"

# HTTP: what the public sees; and the metrics of a replica, where they are served (--metrics)
export PUBLIC_URL="${PUBLIC_URL:-https://checkpoints.$SITE_DOMAIN}"
export METRICS_URL="${METRICS_URL:-http://10.0.1.11:9464/metrics}"

# The stacks of deploy/service.yaml and deploy/key.yaml, and what the first makes
export CLUSTER="${CLUSTER:-checkpoint-signer-$CHECKPOINT_SIGNER_ENVIRONMENT}"
export SERVICE="${SERVICE:-checkpoint-signer}"
export STACK="${STACK:-checkpoint-signer-service-$CHECKPOINT_SIGNER_ENVIRONMENT}"
export KEY_STACK="${KEY_STACK:-checkpoint-signer-key-$CHECKPOINT_SIGNER_ENVIRONMENT}"
export LOG_GROUP="${LOG_GROUP:-/checkpoint-signer/$CHECKPOINT_SIGNER_ENVIRONMENT}"
# What the stacks are tagged with (a deployment without them takes them away), and the architecture of the image
export TAGS="${TAGS:-service=checkpoint-signer owner=platform}"
export ARCHITECTURE="${ARCHITECTURE:-amd64}"
# Where CloudTrail writes management events
export TRAIL_LOG_GROUP="${TRAIL_LOG_GROUP:-cloudtrail}"

# PostgreSQL, for psql, pg_dump and pg_restore: the environment's database and its owner (deploy/README.md, "The database"); who may make
# roles; and an empty database of the same owner to try a backup in, with its address in a secret
export PGHOST="${PGHOST:-db.$SITE_DOMAIN}" PGPORT="${PGPORT:-5432}" PGUSER="${PGUSER:-checkpoint_signer_$CHECKPOINT_SIGNER_ENVIRONMENT}"
export PGDATABASE="${PGDATABASE:-checkpoint_signer_$CHECKPOINT_SIGNER_ENVIRONMENT}"
export DATABASE_ADMIN="${DATABASE_ADMIN:-postgres}"
export SCRATCH_DATABASE="${SCRATCH_DATABASE:-scratch_$CHECKPOINT_SIGNER_ENVIRONMENT}"
export SCRATCH_RECORD="${SCRATCH_RECORD:-secretsmanager:amply/$CHECKPOINT_SIGNER_ENVIRONMENT/scratch-database-url}"

# Where a service is started by hand to try something, on this machine alone
export TRIAL="${TRIAL:-127.0.0.1:50055}"

# Where backups go: a bucket of another account, in another region, with versions and object lock
export BACKUP_BUCKET="${BACKUP_BUCKET:-amply-checkpoint-backup-$CHECKPOINT_SIGNER_ENVIRONMENT}"
