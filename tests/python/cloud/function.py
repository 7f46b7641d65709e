"""Lambda as the templates use it, where moto leaves something out: code signing, versions that CloudFormation publishes, and functions
that keep all their properties. `mend()` comes before the first stack.
"""

from moto.awslambda import models as awslambda
from moto.s3.models import s3_backends

from cloud.gaps import Made

# Code signing configurations by their ARN.
signing = {}


class CodeSigningConfig(Made):
    @staticmethod
    def cloudformation_type():
        return "AWS::Lambda::CodeSigningConfig"

    @classmethod
    def make(cls, properties, account, region):
        arn = f"arn:aws:lambda:{region}:{account}:code-signing-config:csc-{len(signing):017d}"
        signing[arn] = properties
        return cls(arn, lambda: signing.pop(arn), {"CodeSigningConfigArn": arn})

    @classmethod
    def change(cls, original, properties, account, region):
        signing[original.physical_resource_id] = properties
        return original


class Version(Made):
    """Another one replaces it where a property is another."""

    @staticmethod
    def cloudformation_type():
        return "AWS::Lambda::Version"

    @classmethod
    def make(cls, properties, account, region):
        backend = awslambda.lambda_backends[account][region]
        name = properties["FunctionName"]
        function = backend.get_function(name)
        function.code_or_config_updated = True
        version = backend.publish_version(name, properties["Description"])
        return cls(version.function_arn, lambda: None)


def check_signature(function, bucket, key, version, account):
    """Lambda refuses code that no profile signed of those that are allowed. A signed object says here who signed it."""
    policy = signing.get(function.code_signing_config_arn)
    if not policy or policy["CodeSigningPolicies"]["UntrustedArtifactOnDeployment"] != "Enforce":
        return
    found = s3_backends[account]["aws"].get_object(bucket, key, version) if bucket else None
    profile = found and found.metadata.get("x-amz-meta-signed-by")
    if profile not in policy["AllowedPublishers"]["SigningProfileVersionArns"]:
        raise PermissionError(f"CodeVerificationFailedException: signed by {profile}")


def update_code(account, region, name, bucket=None, key=None, version=None):
    """UpdateFunctionCode as somebody who may call it."""
    function = awslambda.lambda_backends[account][region].get_function(name)
    check_signature(function, bucket, key, version, account)
    code = {"S3Bucket": bucket, "S3Key": key, "S3ObjectVersion": version}
    function.update_function_code(code)


def mend():
    model = awslambda.LambdaFunction

    def make(name, document, account, region, original=model.create_from_cloudformation_json, **kwargs):
        function = original(name, document, account, region, **kwargs)
        properties, code = document["Properties"], document["Properties"]["Code"]
        function.code_signing_config_arn = properties["CodeSigningConfigArn"]
        function.architectures = properties["Architectures"]
        function.log_group = properties["LoggingConfig"]["LogGroup"]
        try:
            check_signature(function, code["S3Bucket"], code["S3Key"], code["S3ObjectVersion"], account)
        except PermissionError:
            function.delete(account, region)
            raise
        return function

    # Leaves what it does not know in an update as it was.
    def change(original_resource, new_resource_name, cloudformation_json, account_id, region_name):
        properties = cloudformation_json["Properties"]
        code = properties["Code"]
        check_signature(original_resource, code["S3Bucket"], code["S3Key"], code["S3ObjectVersion"], account_id)
        original_resource.update_function_code(code)
        original_resource.memory_size = int(properties["MemorySize"])
        original_resource.architectures = properties["Architectures"]
        return original_resource

    model.create_from_cloudformation_json = make
    model.update_from_cloudformation_json = change
    version = awslambda.LambdaVersion
    version.create_from_cloudformation_json = Version.create_from_cloudformation_json
    version.update_from_cloudformation_json = Version.update_from_cloudformation_json

    # Finds no policy of a version: it has that of its function, and tells which version a permission is for.
    def permit(name, document, account, region, original=awslambda.Permission.create_from_cloudformation_json, **kwargs):
        properties = {**document["Properties"]}
        properties["FunctionName"] = ":".join(properties["FunctionName"].split(":")[:7])
        return original(name, {**document, "Properties": properties}, account, region, **kwargs)

    awslambda.Permission.create_from_cloudformation_json = permit
