package envbuild

// installScript installs the packages of an environment below /opt/zaffre of an image that is being built, with
// the image's own Python where it is of the version asked for. What it warns of stands in /opt/zaffre/warnings; a
// line that starts with "zaffre: " says why there is no Python. It runs in any POSIX shell.
//
// Arguments: the minor version or "", whether only that one will do, and options of uv.
const installScript = `set -u
minor=$1 exact=$2; shift 2
in=/opt/zaffre-in out=/opt/zaffre
mkdir -p $out && cd $in || exit 1
warn() { echo "Warning: $1."; echo "$1" >>$out/warnings; }
if [ $(wc -c <ca.pem) -gt 9 ]; then export SSL_CERT_FILE=$in/ca.pem REQUESTS_CA_BUNDLE=$in/ca.pem PIP_CERT=$in/ca.pem; fi
export UV_CACHE_DIR=/tmp/zaffre-cache UV_LINK_MODE=copy UV_NO_PROGRESS=1 NO_COLOR=1 UV_PYTHON_INSTALL_DIR=$out/python
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_INDEX_URL=${UV_DEFAULT_INDEX:-} PIP_EXTRA_INDEX_URL=${UV_INDEX:-} PIP_TRUSTED_HOST=${UV_INSECURE_HOST:-}
[ -n "$PIP_INDEX_URL" ] || unset PIP_INDEX_URL
uv=$in/uv; "$uv" --version >/dev/null 2>&1 || uv=
full() { [ $(wc -c <$1) -gt 1 ]; }
version() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }

if full conda.json; then
  tool=$(command -v micromamba || command -v mamba || command -v conda || ls /opt/conda/bin/conda /opt/miniconda/bin/conda 2>/dev/null | head -1)
  if [ -n "$tool" ]; then
    case $tool in
    *micromamba) set -- create --yes ;;
    *) set -- env create ;;
    esac
    echo "Building with $tool: only a channel has $(tr '\n' ' ' <only.txt)"
    cp conda.json /tmp/zaffre.yml && "$tool" "$@" --quiet --prefix $out/env --file /tmp/zaffre.yml || exit 1
    if full pip.txt; then $out/env/bin/python -m pip install --requirement raw.txt || exit 1; fi
    exit 0
  fi
  warn "left out, since only a conda channel has them and the image has no conda, mamba or micromamba: $(tr '\n' ' ' <only.txt)"
fi

python= other=
for p in ${minor:+python$minor} python3 python /opt/conda/bin/python /opt/miniconda/bin/python; do
  v=$(version $p) || continue
  case $v in
  ${minor:-3}.*) python=$p; break ;;
  3.*) [ -n "$other" ] || other=$p ;;
  esac
done
if [ -z "$python" ] && [ -n "$uv" ]; then
  echo "Python ${minor:-3} is not in the image; asking uv to download it."
  if timeout 30 "$uv" python install --no-config --no-bin ${minor:-3}; then
    python=$(ls -d $out/python/*/bin/python3 | head -1)
  fi
fi
if [ -z "$python" ]; then
  v=; [ -z "$other" ] || v=$(version "$other")
  have=${v#3.}; have=${have%%.*}
  if [ -z "$v" ] || [ $exact = true ] || [ "$have" -lt "${minor#3.}" ]; then
    echo "zaffre: there is no Python ${minor:-3} in the image${v:+, which has $v}, and uv could not bring it"
    exit 1
  fi
  warn "Python $minor is asked for and not in the image: Python $v is used instead"
  python=$other
fi
echo "Interpreter: Python $(version "$python"), $(command -v "$python")."

pip() {
  if [ -z "$uv" ]; then $out/env/bin/python -m pip install "$@"; else "$uv" pip install --python $out/env/bin/python "$@"; fi
}
install() { # and leaves what it said in /tmp/said
  { pip "$@"; echo $? >/tmp/rc; } 2>&1 | tee /tmp/said
  return $(cat /tmp/rc)
}
if [ -n "$uv" ]; then
  "$uv" venv --quiet --no-config --python "$python" $out/env || exit 1
else
  "$python" -m venv $out/env || { echo "zaffre: the image's Python cannot make environments, and there is no uv for it"; exit 1; }
  set --; cp raw.txt pip.txt
fi
both=
if full requirements.txt; then set -- "$@" --requirement requirements.txt; both=1; fi
if full pip.txt; then set -- "$@" --requirement pip.txt; else both=; fi
if full requirements.txt || full pip.txt; then
  if ! install "$@"; then
    [ -n "$both" ] && grep -qiE 'no solution found|unsatisfiable|ResolutionImpossible' /tmp/said || exit 1
    echo "No one solution serves all of the definition. As conda would: its own packages first, then pip's over them."
    install --requirement requirements.txt && install --requirement pip.txt || exit 1
  fi
else
  echo "The definition asks for no packages."
fi
rm -rf /tmp/zaffre-cache
`
