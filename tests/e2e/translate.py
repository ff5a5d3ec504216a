"""Translates definition files to the API form and back, by the translator of the AWS CLI.

Prints a JSON object: for each file on the command line, the API form `api`, and `back`, the file form made of it.
"""

import copy
import json
import sys

from awscli.customizations.datapipeline import translator


def translated(path):
    with open(path, encoding="utf-8") as file:
        definition = json.load(file)
    # Each of the three functions removes the parts that it has read.
    objects = translator.definition_to_api_objects(copy.deepcopy(definition))
    parameters = translator.definition_to_api_parameters(copy.deepcopy(definition)) or []
    values = translator.definition_to_parameter_values(copy.deepcopy(definition)) or []
    api = {"pipelineObjects": objects, "parameterObjects": parameters, "parameterValues": values}
    return {"api": api, "back": translator.api_to_definition(copy.deepcopy(api))}


json.dump({path: translated(path) for path in sys.argv[1:]}, sys.stdout)
