"""What CloudFormation leaves when a stack is deleted or its creation fails (AWS, "DeletionPolicy attribute"); moto knows `Retain` alone,
and leaves a creation that failed half done. `mend()` comes before the first stack.
"""

from moto.cloudformation import models, parsing


def policy(resource, policies):
    """As a deletion or a rollback goes by it: a resource that stays is left alone."""
    found = resource.get("DeletionPolicy")
    return {**resource, "DeletionPolicy": "Retain" if found in policies else "Delete"}


def mend():
    def delete(self, original=parsing.ResourceMap.delete, policies=("Retain", "RetainExceptOnCreate")):
        resources = self._resource_json_map
        self._resource_json_map = {name: policy(r, policies) for name, r in resources.items()}
        try:
            original(self)
        finally:
            self._resource_json_map = resources

    parsing.ResourceMap.delete = delete

    # Outputs are asked for first, which makes what they name.
    def create(self, name, *args, original=models.CloudFormationBackend.create_stack, **kwargs):
        try:
            return original(self, name, *args, **kwargs)
        except Exception as error:
            stack = next((stack for stack in self.stacks.values() if stack.name == name), None)
            if not stack or stack.status != "CREATE_PENDING" and stack.status != "CREATE_IN_PROGRESS":
                raise
            roll_back(stack, error)
            return stack

    def roll_back(stack, error):
        made, resources = stack.resource_map._parsed_resources, stack.template_dict["Resources"]
        stack.resource_map._resource_json_map = {name: r for name, r in resources.items() if name in made}
        delete(stack.resource_map, policies=("Retain",))
        stack.resource_map._resource_json_map = {}
        stack.template_dict = {**stack.template_dict, "Resources": {}, "Outputs": {}}
        stack.output_map = stack._create_output_map()
        stack.status, stack.status_reason = "ROLLBACK_COMPLETE", str(error)

    models.CloudFormationBackend.create_stack = create
