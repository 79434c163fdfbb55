package text

// enImage is what the commands about container images say.
func enImage() map[string]string {
	return map[string]string{
		"image.short":        "Container images of the server's registry",
		"image.long":         "The server is a container registry, at its own address: images are HOST:PORT/WORKSPACE/NAME:TAG there,\nfor docker, crane and the nodes of clusters. It makes images of environments and code without a daemon.",
		"image.build.short":  "Make an image of a base, an environment and code",
		"image.build.long":   "Make an image on the server: a base image with Python, a layer with an environment's packages (wheels\nonly), and a layer with a folder's files, in /code. An environment's layer is made once. The base is an\nimage of another registry, or one of this workspace by its NAME:TAG. With --push the image is also sent\nfrom this machine to another registry, by its docker login.",
		"image.list.short":   "List images",
		"image.list.long":    "List the images of the workspace, or the tags of one name. What is below base/ was fetched as a base,\nand what is called environment was made for runs on clusters.",
		"image.show.short":   "Show an image and its layers",
		"image.show.long":    "Show an image: the name by which others pull it, its digest, and its layers.",
		"image.delete.short": "Delete images",
		"image.delete.long":  "Delete tags. An image without a tag goes with its last one, and layers that no image has within a day.",
		"image.import.short": "Bring an image from a file",
		"image.import.long":  "Send an image that docker save or podman save wrote to the server's registry.",

		"flag.image.env":  "environment: a conda `FILE`, a requirements.txt, or a name",
		"flag.image.base": "base `IMAGE`, which has Python; by default that of the environment",
		"flag.image.code": "`FOLDER` whose files the image has in /code",
		"flag.image.push": "also push the image to another registry, as `REF`",

		"col.image": "IMAGE", "col.layer": "LAYER",

		"talk.image.deleted":  "%s deleted",
		"talk.image.imported": "%s is %s",
		"talk.image.pushed":   "pushed as %s",
	}
}

// imageExamples are the same in all languages.
func imageExamples() map[string][]string {
	return map[string][]string{
		"image":        {"zaffre image build --base docker.io/library/python:3.12-slim --env env.yml --code . train:1", "zaffre image list"},
		"image.build":  {"zaffre image build --base docker.io/library/python:3.12-slim --env env.yml --code . train:1", "zaffre image build --env sklearn:3 --base python-base:1 --push registry.example/ml/train:1 train:1"},
		"image.list":   {"zaffre image list", "zaffre image list train -o json"},
		"image.show":   {"zaffre image show train:1", "zaffre image show train -o yaml"},
		"image.delete": {"zaffre image delete train:1", "zaffre image delete base/index.docker.io/library/python:3.12-slim"},
		"image.import": {"zaffre image import python.tar python-base:1", "zaffre image import --workspace vision base.tar base"},
	}
}
