package conda_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zaffre-ml/zaffre/internal/conda"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// noteless drops the notes, which have tests of their own.
func noteless(p conda.Plan) conda.Plan {
	p.Notes = nil
	return p
}

func translate(t *testing.T, spec string, pip ...string) conda.Plan {
	t.Helper()
	p, err := conda.Translate([]byte(spec), pip)
	if err != nil {
		t.Fatalf("Translate: %v", err)
	}
	return p
}

var implied = []string{"pip", "setuptools<81", "wheel"}

func TestVersions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dependency, want string }{
		{"numpy", "numpy"},
		{"numpy=1.2", "numpy==1.2.*"},
		{"numpy =1.2", "numpy==1.2.*"},
		{"numpy = 1.2", "numpy==1.2.*"},
		{"numpy 1.2.*", "numpy==1.2.*"},
		{"numpy 1.2*", "numpy==1.2.*"},
		{"numpy=1.2*", "numpy==1.2.*"},
		{"numpy==1.2.*", "numpy==1.2.*"},
		{"numpy==1.2", "numpy==1.2"},
		{"numpy 1.2", "numpy==1.2"},
		{"numpy=1.2=py38_0", "numpy==1.2"},
		{"numpy==1.2=py38_0", "numpy==1.2"},
		{"numpy 1.2 py38_0", "numpy==1.2"},
		{"numpy=1.2.*=py38_0", "numpy==1.2.*"},
		{"numpy=*=*cuda*", "numpy"},
		{"numpy * *cuda*", "numpy"},
		{"numpy *", "numpy"},
		{"numpy>=1.2,<2", "numpy>=1.2,<2"},
		{"numpy >= 1.2 , < 2", "numpy>=1.2,<2"},
		{"numpy>=1.2.*", "numpy>=1.2"},
		{"numpy!=1.2", "numpy!=1.2"},
		{"numpy!=1.2.*", "numpy!=1.2.*"},
		{"numpy~=1.2", "numpy~=1.2"},
		{"numpy~=1", "numpy>=1"},
		{"numpy>1.2", "numpy>1.2"},
		{"numpy===1.2", "numpy===1.2"},
		{"numpy=1.2|1.3", "numpy==1.3"},
		{"numpy 1.2|>=1.4,<2", "numpy>=1.4,<2"},
		{"numpy==1.2+cpu", "numpy==1.2+cpu"},
		{"numpy=1!2.0", "numpy==1!2.0.*"},
		{"numpy=1.2rc1", "numpy==1.2rc1.*"},
		{"conda-forge::numpy=1.2", "numpy==1.2.*"},
		{"conda-forge/linux-64::numpy", "numpy"},
		{"numpy[version='>=1.2']", "numpy>=1.2"},
		{`numpy[version=">=1.2,<2",build="py38_0"]`, "numpy>=1.2,<2"},
		{"conda-forge::numpy[version=1.2.*, channel=x]", "numpy==1.2.*"},
		{"numpy=1.2  # for the old script", "numpy==1.2.*"},
		{"NumPy=1.2", "numpy==1.2.*"},
		{"opencv=4.5.3", "opencv-python-headless==4.5.3.*"},
		{"opencv==4.5.3", "opencv-python-headless==4.5.3.*"},
		{"py-opencv=4.5=py38_0", "opencv-python-headless==4.5.*"},
		{"ray-tune>=2", "ray[tune]>=2"},
	} {
		t.Run(c.dependency, func(t *testing.T) {
			t.Parallel()
			got := translate(t, "dependencies:\n- "+quote(c.dependency)).Requirements
			if diff := cmp.Diff(append([]string{c.want}, implied...), got); diff != "" {
				t.Errorf("requirements (-want +got):\n%s", diff)
			}
		})
	}
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func TestPythonVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dependency, python, asked string }{
		{"python", "", ""},
		{"python=3.10", "3.10", "3.10"},
		{"python=3.10.18", "3.10", "3.10.18"},
		{"python==3.8.13", "3.8", "3.8.13"},
		{"python 3.9", "3.9", "3.9"},
		{"python 3.9.*", "3.9", "3.9"},
		{"python=3.9.18=h1234_0", "3.9", "3.9.18"},
		{"conda-forge::python=3.11", "3.11", "3.11"},
		{"python>=3.8,<3.11", "3.10", ">=3.8,<3.11"},
		{"python>=3.8", "3.12", ">=3.8"},
		{"python>=3.13", "3.13", ">=3.13"},
		{"python<3.9", "3.8", "<3.9"},
		{"python<=3.9", "3.9", "<=3.9"},
		{"python>3.7,!=3.12.*", "3.11", ">3.7,!=3.12.*"},
		{"python~=3.9", "3.12", "~=3.9"},
		{"python~=3.9.2", "3.9", "~=3.9.2"},
		{"python=3", "3.12", "3"},
		{"python 3.8|3.9", "3.9", "3.9"},
		{"python=2.7", "2.7", "2.7"},
	} {
		t.Run(c.dependency, func(t *testing.T) {
			t.Parallel()
			p := translate(t, "dependencies: ["+quote(c.dependency)+"]")
			want := conda.Plan{Python: c.python, PythonAsked: c.asked, Requirements: implied}
			if diff := cmp.Diff(want, noteless(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ conda, index string }{
		{"pytorch", "torch"},
		{"pytorch-gpu", "torch"},
		{"tensorflow-mkl", "tensorflow"},
		{"matplotlib-base", "matplotlib"},
		{"typing_extensions", "typing-extensions"},
		{"ruamel.yaml", "ruamel-yaml"},
		{"ruamel_yaml", "ruamel.yaml"},
		{"category_encoders", "category-encoders"},
		{"huggingface_hub", "huggingface-hub"},
		{"prompt_toolkit", "prompt-toolkit"},
		{"python-graphviz", "graphviz"},
		{"python-igraph", "igraph"},
		{"pytables", "tables"},
		{"pyg", "torch-geometric"},
		{"surprise", "scikit-surprise"},
		{"faiss", "faiss-cpu"},
		{"cudf", "cudf-cu12"},
		{"psycopg2", "psycopg2-binary"},
		{"azure-storage-blob", "azure-storage-blob"},
		{"azureml-sdk", "azureml-sdk"},
		{"google-cloud-storage", "google-cloud-storage"},
		{"pytest-cov", "pytest-cov"},
		{"redis-py", "redis"},
	} {
		t.Run(c.conda, func(t *testing.T) {
			t.Parallel()
			got := translate(t, "dependencies: ["+c.conda+"]").Requirements
			if diff := cmp.Diff(append([]string{c.index}, implied...), got); diff != "" {
				t.Errorf("requirements (-want +got):\n%s", diff)
			}
		})
	}
}

// These have namesakes on the index that are something else, or nothing at all.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"cudatoolkit=11.3", "cuda-nvcc", "cudnn", "nccl", "pytorch-cuda=11.8", "pytorch-mutex", "cpuonly", "mkl=2023", "blas",
		"openblas", "nomkl", "tbb", "_libgcc_mutex=0.1=main", "libgcc-ng", "gxx_linux-64", "make", "zlib", "openssl",
		"ca-certificates=2023.01.10", "sqlite", "hdf5", "libgdal", "arrow-cpp", "lmdb", "igraph", "spacy-model-en_core_web_sm",
		"azure-core-cpp", "jpeg=9e",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := translate(t, "dependencies: ["+quote(name)+"]")
			if diff := cmp.Diff(conda.Plan{Requirements: implied}, noteless(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			plain, _, _ := strings.Cut(name, "=")
			if len(p.Notes) != 1 || !strings.Contains(p.Notes[0], plain) {
				t.Errorf("notes = %q, want one that names %s", p.Notes, plain)
			}
		})
	}
	for _, name := range []string{"ffmpeg=4.3", "graphviz", "nodejs", "openjdk", "git", "openmpi", "unixodbc", "redis-server", "libsndfile"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := translate(t, "dependencies: ["+quote(name)+"]")
			want := conda.Plan{Requirements: implied, ChannelOnly: []string{name}, Conda: []byte(`{"dependencies":["` + name + `"]}`)}
			if diff := cmp.Diff(want, noteless(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			if len(p.Notes) != 1 {
				t.Errorf("notes = %q, want one", p.Notes)
			}
		})
	}
}

// oldIndex stands for the public index's old host, with a top-level domain that nobody has.
const oldIndex = "https://pypi.python.example/simple"

// The definition that azureml-core 1.60 sends for CondaDependencies.create(conda_packages=["scikit-learn"]).
const sdkSpec = `{"name": "project_environment", "dependencies": ["python=3.10.18", {"pip": ["--find-links ` + oldIndex +
	`/index.html", "--extra-index-url ` + oldIndex + `", "azureml-defaults"]}, "scikit-learn"], "channels": ["anaconda", "conda-forge"]}`

func TestDefinitionOfTheSDK(t *testing.T) {
	t.Parallel()
	got := translate(t, sdkSpec, "mlflow")
	want := conda.Plan{
		Name: "project_environment", Python: "3.10", PythonAsked: "3.10.18",
		Requirements: []string{"scikit-learn", "pip", "setuptools<81", "wheel"},
		Pip:          []string{"azureml-defaults", "mlflow"},
		Channels:     []string{"anaconda", "conda-forge"},
		Notes: []string{
			"python 3.10.18 is asked for: any Python 3.10 serves, an exact patch release is not looked for.",
			"The SDK's default option --find-links is dropped: the configured index serves the same packages.",
			"The SDK's default option --extra-index-url is dropped: the configured index serves the same packages.",
			"The channels (anaconda, conda-forge) have no effect where the packages come from the configured Python package index.",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestPipLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want []string
	}{
		{"--extra-index-url https://pypi.corp.example/simple", []string{"--extra-index-url https://pypi.corp.example/simple"}},
		{"--extra-index-url " + oldIndex + "/team", []string{"--extra-index-url " + oldIndex + "/team"}},
		{"--find-links=" + oldIndex + "/index.html", nil},
		{"-f " + oldIndex + "/", nil},
		{"-r requirements.txt", []string{"-r requirements.txt"}},
		{"-e ./library", []string{"-e ./library"}},
		{"git+https://example.com/x.git@main#egg=x", []string{"git+https://example.com/x.git@main#egg=x"}},
		{"torch==2.0 ; python_version<'3.9'", []string{"torch==2.0 ; python_version<'3.9'"}},
		{"# a comment", nil},
		{"one\ntwo", []string{"one", "two"}},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			p, err := conda.Translate(nil, []string{c.line})
			if err != nil {
				t.Fatalf("Translate: %v", err)
			}
			if diff := cmp.Diff(conda.Plan{Pip: c.want}, noteless(p)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

func TestImpliedPackages(t *testing.T) {
	t.Parallel()
	got := translate(t, "dependencies: [python=3.9, pip=23, setuptools=65.5, {pip: [wheel==0.40]}]")
	if diff := cmp.Diff([]string{"pip==23.*", "setuptools==65.5.*"}, got.Requirements); diff != "" {
		t.Errorf("what is named is not named again (-want +got):\n%s", diff)
	}
}

func TestVariablesAndNotes(t *testing.T) {
	t.Parallel()
	got := translate(t, `
name: x
prefix: /opt/conda/envs/x
variables: {A: 1.50, B: "two words", C: null}
dependencies:
- pytorch=1.13=py3.10_cuda11.6_0
- pytorch-gpu=1.13
- nomkl
- zlib
`)
	want := conda.Plan{
		Name: "x", Variables: map[string]string{"A": "1.50", "B": "two words", "C": ""},
		Requirements: append([]string{"torch==1.13", "torch==1.13.*"}, implied...),
		Notes: []string{
			`"prefix" in the conda specification has no effect.`,
			`pytorch: the build "py3.10_cuda11.6_0" is not asked for, the index has no builds.`,
			"pytorch is called torch on the Python package index.",
			"pytorch-gpu is called torch on the Python package index.",
			"Left out, because wheels bring such libraries along or nothing here needs them: nomkl, zlib.",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"", "\n", "# nothing", "{}", "dependencies:", "dependencies: []", "null", "---\n..."} {
		if diff := cmp.Diff(conda.Plan{}, translate(t, spec)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", spec, diff)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for name := 'b'; name < 'j'; name++ {
		bomb += string(name) + ": &" + string(name) + " [" + strings.Repeat("*"+string(name-1)+",", 9) + "]\n"
	}
	for _, c := range []struct{ reason, spec, what, why string }{
		{"CondaPackageUnknown", "dependencies:\n- numpy\n- frobnicator=2\n", "line 3", `"frobnicator"`},
		{"CondaPackageUnknown", "dependencies: [apex]", "line 1", `"apex"`},
		{"CondaPackageUnknown", "dependencies: [azure-]", "line 1", `"azure-"`},
		{"NotPython", "dependencies: [r-base=4.1]", "line 1", `"r-base"`},
		{"NotPython", "dependencies: [r-ggplot2]", "line 1", "r-ggplot2"},
		{"NotPython", "dependencies: [julia]", "line 1", "julia"},
		{"NotPython", "dependencies: [perl]", "line 1", "perl"},
		{"NotPython", "dependencies: [rpy2]", "line 1", "rpy2"},
		{"CondaSpecInvalid", "dependencies:\n- numpy\n  - pandas: [\n", "line", "neither YAML nor JSON"},
		{"CondaSpecInvalid", `{"dependencies": ["numpy"`, "line 1", "neither YAML nor JSON"},
		{"CondaSpecInvalid", "- numpy\n- scipy\n", "line 1", "not a mapping"},
		{"CondaSpecInvalid", "dependencies: numpy", "line 1", "not a list"},
		{"CondaSpecInvalid", "dependencies:\n- conda: [x]", "line 2", `"conda"`},
		{"CondaSpecInvalid", "dependencies:\n- [x]", "line 2", "neither a package"},
		{"CondaSpecInvalid", "dependencies:\n- pip: {x: y}", "line 2", "not a list"},
		{"CondaSpecInvalid", "dependencies:\n- pip: [[x]]", "line 2", "not a plain value"},
		{"CondaSpecInvalid", "dependencies: ['https://example.com/x-1.0-0.tar.bz2']", "line 1", "not a package"},
		{"CondaSpecInvalid", "dependencies: ['=1.2']", "line 1", "not a package"},
		{"CondaSpecInvalid", "dependencies: ['numpy[default]']", "line 1", "brackets"},
		{"CondaSpecInvalid", "dependencies: ['numpy=^1.2$']", "line 1", "not a package"},
		{"CondaSpecInvalid", "dependencies: ['numpy=1.*.2']", "line 1", "not a version"},
		{"CondaSpecInvalid", "dependencies: ['numpy>=']", "line 1", "not a version"},
		{"CondaSpecInvalid", "dependencies: ['python>3.12,<3.9']", "line 1", "no Python"},
		{"CondaSpecInvalid", "variables: {'A B': 1}", "line 1", "odd name"},
		{"CondaSpecInvalid", "variables: [A]", "line 1", "not a mapping"},
		{"CondaSpecInvalid", "dependencies: [\xff]", "", "UTF-8"},
		{"CondaSpecTooLarge", strings.Repeat(" ", conda.MaxBytes+1), "", "bytes"},
		{"CondaSpecTooLarge", "dependencies:\n" + strings.Repeat("- numpy\n", 60_000), "", "too many"},
	} {
		t.Run(c.reason+"/"+c.why, func(t *testing.T) {
			t.Parallel()
			_, err := conda.Translate([]byte(c.spec), nil)
			f := fault.From(err)
			if f == nil || f.Code != fault.Invalid || f.Reason != c.reason {
				t.Fatalf("Translate = %v, want %s", err, c.reason)
			}
			if !strings.Contains(f.What, c.what) || !strings.Contains(f.Why, c.why) || f.Fix == "" {
				t.Errorf("What %q, Why %q, Fix %q: want %q in What and %q in Why", f.What, f.Why, f.Fix, c.what, c.why)
			}
		})
	}
	if p, err := conda.Translate([]byte(bomb+"dependencies: *i\n"), nil); err == nil {
		t.Errorf("a document of aliases gave %d requirements, want a fault", len(p.Requirements))
	}
}
