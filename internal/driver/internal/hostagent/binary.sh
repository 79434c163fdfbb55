# Finds the agent's binary for this machine, whose hashes stand in amd64 and arm64: binary is where it lies or is to.
case $(uname -m) in
x86_64 | amd64) arch=amd64 sum=$amd64 ;;
aarch64 | arm64) arch=arm64 sum=$arm64 ;;
*) arch=$(uname -m) sum= ;;
esac
binary=$work/bin/agent-$sum
