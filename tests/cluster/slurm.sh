#!/usr/bin/env bash
# A real Slurm (slurmctld, slurmd, munge) of one node on this machine, for tests.
#
#   slurm.sh install          apt-get install of Debian's packages, root only; their own services stay off
#   slurm.sh start FOLDER     all state, keys, logs and sockets go to FOLDER; prints what to export
#   slurm.sh stop FOLDER      ends the daemons that were started with FOLDER, and their jobs
set -euo pipefail

install() {
    for tool in slurmctld slurmd sbatch munged; do
        command -v "$tool" >/dev/null || PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || missing=1
    done
    [ -z "${missing:-}" ] && return
    # Without this file the packages would start services of their own.
    local policy=/usr/sbin/policy-rc.d ours=""
    [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy && ours=1; }
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurmctld slurmd slurm-client munge
    [ -z "$ours" ] || rm -f $policy
}

start() {
    local root node memory
    mkdir -p "$1" && root=$(cd "$1" && pwd) && node=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
    chmod 755 "$root"
    mkdir -p "$root"/{state,spool,log,munge} && chmod 755 "$root"/{munge,log}
    (umask 077 && head -c 1024 /dev/urandom >"$root/munge/key")
    munged --force --key-file="$root/munge/key" --socket="$root/munge/socket" --pid-file="$root/munge/pid" \
        --log-file="$root/munge/log" --seed-file="$root/munge/seed" 2>"$root/munge/start.log"
    cat >"$root/slurm.conf" <<CONF
ClusterName=tebench
SlurmctldHost=$node(127.0.0.1)
SlurmctldPort=${SLURM_TEST_PORT:-16817}
SlurmdPort=$((${SLURM_TEST_PORT:-16817} + 1))
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$root/munge/socket
CredType=cred/munge
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool
SlurmctldPidFile=$root/slurmctld.pid
SlurmdPidFile=$root/slurmd.pid
SlurmctldLogFile=$root/log/slurmctld
SlurmdLogFile=$root/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
JobRequeue=1
KillWait=5
MaxArraySize=1001
ReturnToService=2
SlurmdTimeout=600
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=test Nodes=$node Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$root/slurm.conf"
    slurmctld -c
    slurmd -c
    for _ in $(seq 60); do
        sinfo -h -o %T 2>/dev/null | grep -qE 'idle|mixed' && break
        sleep 1
    done
    sinfo -h -o %T | grep -qE 'idle|mixed' || { tail -5 "$root"/log/* >&2; stop "$root"; exit 1; }
    echo "export SLURM_CONF=$SLURM_CONF"
}

stop() {
    local root pid name
    root=$(cd "$1" && pwd)
    export SLURM_CONF="$root/slurm.conf"
    timeout 20 scancel --state=PENDING --state=RUNNING -u "$(id -un)" 2>/dev/null || true
    for _ in $(seq 20); do
        [ -z "$(timeout 5 squeue -h 2>/dev/null)" ] && break
        sleep 1
    done
    for name in slurmctld.pid slurmd.pid munge/pid; do
        [ -s "$root/$name" ] && pid=$(cat "$root/$name") && kill "$pid" 2>/dev/null || continue
        for _ in $(seq 40); do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
    done
}

export PATH=$PATH:/usr/sbin
case "${1:-}" in
    install) install ;;
    start | stop) "$1" "${2:?folder}" ;;
    *) sed -n 2,7p "$0" >&2 && exit 2 ;;
esac
