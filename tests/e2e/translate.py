"""What the AWS CLI's own translator makes of definition files: to the API form, and back.

Prints a JSON object: for each file named on the command line, `api` and `back`.
"""

import copy
import json
import sys

from awscli.customizations.datapipeline import translator


def translated(path):
    with open(path, encoding="utf-8") as file:
        definition = json.load(file)
    # Each of the three takes away what it has read.
    objects = translator.definition_to_api_objects(copy.deepcopy(definition))
    parameters = translator.definition_to_api_parameters(copy.deepcopy(definition)) or []
    values = translator.definition_to_parameter_values(copy.deepcopy(definition)) or []
    api = {"pipelineObjects": objects, "parameterObjects": parameters, "parameterValues": values}
    return {"api": api, "back": translator.api_to_definition(copy.deepcopy(api))}


json.dump({path: translated(path) for path in sys.argv[1:]}, sys.stdout)
