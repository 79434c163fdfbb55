// Armgo drives a server with the Go client of Azure Machine Learning, as a program of a user would: it
// reads config.json and the variables of zaffre env, and nothing else. It is a module of its own, so that
// the client's dependencies are not ours.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	ml "github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

type config struct {
	Subscription string `json:"subscription_id"`
	Group        string `json:"resource_group"`
	Workspace    string `json:"workspace_name"`
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Println("FAILED", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var c config
	raw, err := os.ReadFile("config.json")
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return err
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return err
	}
	base := os.Getenv("AZUREML_DEV_URL_MFE")
	options := &arm.ClientOptions{ClientOptions: policy.ClientOptions{Cloud: cloud.Configuration{Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
		cloud.ResourceManager: {Endpoint: base, Audience: base},
	}}}}
	workspaces, err := ml.NewWorkspacesClient(c.Subscription, credential, options)
	if err != nil {
		return err
	}
	ws, err := workspaces.Get(ctx, c.Group, c.Workspace, nil)
	if err != nil {
		return err
	}
	fmt.Println("workspace", *ws.Name, *ws.Location)
	computes, err := ml.NewComputeClient(c.Subscription, credential, options)
	if err != nil {
		return err
	}
	if len(os.Args) > 1 && os.Args[1] == "list" {
		names, err := list(ctx, c, computes)
		fmt.Println("LISTED", len(names))
		return err
	}
	return attach(ctx, c, computes)
}

// list reads the list to its end.
func list(ctx context.Context, c config, computes *ml.ComputeClient) (names []string, err error) {
	for pager := computes.NewListPager(c.Group, c.Workspace, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return names, err
		}
		for _, v := range page.Value {
			names = append(names, *v.Name)
		}
	}
	return names, nil
}

// machine is the one of the variables VM_…, with a password.
func machine(password string) ml.ComputeResource {
	port, _ := strconv.ParseInt(os.Getenv("VM_PORT"), 10, 32) // 0 is refused
	return ml.ComputeResource{Location: to.Ptr("local"), Properties: &ml.VirtualMachine{
		ComputeType: to.Ptr(ml.ComputeTypeVirtualMachine),
		Properties: &ml.VirtualMachineSchemaProperties{
			Address: to.Ptr(os.Getenv("VM_ADDRESS")), SSHPort: to.Ptr(int32(port)),
			AdministratorAccount: &ml.VirtualMachineSSHCredentials{Username: to.Ptr(os.Getenv("VM_USER")), Password: to.Ptr(password)},
		},
	}}
}

func attach(ctx context.Context, c config, computes *ml.ComputeClient) error {
	for _, try := range []struct{ name, password string }{{"bad-vm", "wrong"}, {"my-vm", os.Getenv("VM_PASSWORD")}} {
		poller, err := computes.BeginCreateOrUpdate(ctx, c.Group, c.Workspace, try.name, machine(try.password), nil)
		if err != nil {
			return err
		}
		_, err = poller.PollUntilDone(ctx, &policyOptions)
		if refused, ok := errors.AsType[*azcore.ResponseError](err); ok {
			fmt.Println("REFUSED", try.name, refused.ErrorCode, refused.Error())
			continue
		}
		if err != nil {
			return err
		}
		got, err := computes.Get(ctx, c.Group, c.Workspace, try.name, nil)
		if err != nil {
			return err
		}
		vm := got.Properties.(*ml.VirtualMachine)
		fmt.Println("TAKEN", try.name, *vm.ProvisioningState, *vm.Properties.Address, *vm.Properties.SSHPort, vm.Properties.AdministratorAccount.Password == nil)
	}
	return detach(ctx, c, computes)
}

func detach(ctx context.Context, c config, computes *ml.ComputeClient) error {
	names, err := list(ctx, c, computes)
	if err != nil {
		return err
	}
	fmt.Println("list", names)
	for _, name := range names {
		poller, err := computes.BeginDelete(ctx, c.Group, c.Workspace, name, ml.UnderlyingResourceActionDetach, nil)
		if err != nil {
			return err
		}
		if _, err := poller.PollUntilDone(ctx, &policyOptions); err != nil {
			return err
		}
	}
	_, err = computes.Get(ctx, c.Group, c.Workspace, "my-vm", nil)
	gone, ok := errors.AsType[*azcore.ResponseError](err)
	fmt.Println("gone", ok && gone.StatusCode == 404)
	return nil
}

var policyOptions = runtime.PollUntilDoneOptions{Frequency: time.Second}
