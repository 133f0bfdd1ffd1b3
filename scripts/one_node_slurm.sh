#!/bin/sh
# A Slurm of one node, by hand: munged, slurmctld and slurmd in one directory.
#   one_node_slurm.sh start|stop DIRECTORY      then: export SLURM_CONF=DIRECTORY/slurm.conf
set -eu
action=$1 directory=$2
mkdir -p "$directory"
export SLURM_CONF="$directory/slurm.conf"

cpus=$(nproc) # at least four, whatever there is, for the templates to fit
[ "$cpus" -ge 4 ] || cpus=4

write_configuration() {
    cat > "$SLURM_CONF" <<CONF
ClusterName=one
SlurmctldHost=$(hostname)
SlurmUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$directory/munge.socket
CryptoType=crypto/munge
MpiDefault=none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
SlurmctldPidFile=$directory/slurmctld.pid
SlurmdPidFile=$directory/slurmd.pid
SlurmctldLogFile=$directory/slurmctld.log
SlurmdLogFile=$directory/slurmd.log
NodeName=$(hostname) CPUs=$cpus State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4
CONF
}

case $action in
start)
    write_configuration
    mkdir -p "$directory/state" "$directory/spool"
    chmod 755 "$directory"
    umask 077
    [ -e "$directory/munge.key" ] || head -c 1024 /dev/urandom > "$directory/munge.key"
    munged --force --key-file="$directory/munge.key" --socket="$directory/munge.socket" \
        --pid-file="$directory/munged.pid" \
        --log-file="$directory/munged.log" --seed-file="$directory/munge.seed"
    slurmctld -c
    slurmd -c
    ;;
stop)
    for daemon in slurmd slurmctld munged; do
        [ ! -e "$directory/$daemon.pid" ] || kill "$(cat "$directory/$daemon.pid")" || true
    done
    ;;
esac
