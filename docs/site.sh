# What differs between installations. Fill it in once, and begin with it in each shell that you run the commands of docs/ in:
#
#     . ./site.sh
#
# A variable that is set already stays as it is. No secret stands here: passwords are in ~/.pgpass and in the profiles of AWS.

export AWS_REGION="${AWS_REGION:-eu-central-1}"
export AWS_DEFAULT_REGION="$AWS_REGION"
# Who administrates the account. Where the signing key is touched, a command says AWS_PROFILE=operator by itself.
export AWS_PROFILE="${AWS_PROFILE:-administrator}"

# prod, staging or sandbox
export CHECKPOINT_SIGNER_ENVIRONMENT="${CHECKPOINT_SIGNER_ENVIRONMENT:-prod}"
# The secret with the address of the database that holds the record, for operators (deploy/README.md, "The database")
export CHECKPOINT_SIGNER_RECORD="${CHECKPOINT_SIGNER_RECORD:-secretsmanager:amply/$CHECKPOINT_SIGNER_ENVIRONMENT/checkpoint-record}"
# The secret with the address that the tasks are given
export DATABASE_SECRET="${DATABASE_SECRET:-amply/$CHECKPOINT_SIGNER_ENVIRONMENT/checkpoint-signer-database}"

# gRPC: the load balancer; and each replica, with commas, where they can be reached one by one
export CHECKPOINT_SIGNER_SERVER="${CHECKPOINT_SIGNER_SERVER:-https://signer.example.org:50051}"
export CHECKPOINT_SIGNER_SERVERS="${CHECKPOINT_SIGNER_SERVERS:-$CHECKPOINT_SIGNER_SERVER}"
# The authority of its certificate, and your own certificate, with the roles operator and auditor
export CHECKPOINT_SIGNER_SERVER_CA="${CHECKPOINT_SIGNER_SERVER_CA:-ca.crt}"
export CHECKPOINT_SIGNER_CLIENT_CERTIFICATE="${CHECKPOINT_SIGNER_CLIENT_CERTIFICATE:-operator.crt}"
export CHECKPOINT_SIGNER_CLIENT_KEY="${CHECKPOINT_SIGNER_CLIENT_KEY:-operator.key}"

# HTTP: what the public sees; and the metrics of a replica, where they are served (--metrics)
export PUBLIC_URL="${PUBLIC_URL:-https://checkpoints.example.org}"
export METRICS_URL="${METRICS_URL:-http://10.0.1.11:9464/metrics}"

# The stack of deploy/service.yaml, and what it makes
export CLUSTER="${CLUSTER:-checkpoint-signer-$CHECKPOINT_SIGNER_ENVIRONMENT}"
export SERVICE="${SERVICE:-checkpoint-signer}"
export STACK="${STACK:-checkpoint-signer-service-$CHECKPOINT_SIGNER_ENVIRONMENT}"
export LOG_GROUP="${LOG_GROUP:-/checkpoint-signer/$CHECKPOINT_SIGNER_ENVIRONMENT}"
# Where CloudTrail writes management events
export TRAIL_LOG_GROUP="${TRAIL_LOG_GROUP:-cloudtrail}"

# PostgreSQL, for psql, pg_dump and pg_restore; and an empty database to try a backup in, with its address in a secret
export PGHOST="${PGHOST:-db.example.org}" PGPORT="${PGPORT:-5432}" PGUSER="${PGUSER:-signer}"
export PGDATABASE="${PGDATABASE:-amply}"
export SCRATCH_DATABASE="${SCRATCH_DATABASE:-scratch}"
export SCRATCH_RECORD="${SCRATCH_RECORD:-secretsmanager:amply/scratch-database-url}"

# Where a service is started by hand to try something, on this machine alone
export TRIAL="${TRIAL:-127.0.0.1:50055}"

# Where backups go: a bucket of another account, in another region, with versions and object lock
export BACKUP_BUCKET="${BACKUP_BUCKET:-amply-checkpoint-backup}"
