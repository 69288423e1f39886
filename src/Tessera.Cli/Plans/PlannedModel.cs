using Tessera.Cli.Data;
using Tessera.Models.Configuration;
using Tessera.Models.Hub;

namespace Tessera.Cli.Plans;

/// <summary>The shape of a model is not known, and without it nothing about its stage.</summary>
internal sealed class UnknownShapeException(string message) : Exception(message);

/// <summary>Shapes of models that nobody loads for a plan.</summary>
internal static class PlannedModel
{
    /// <summary>The shape of a model that is here, or of one on a hub whose shape is published.</summary>
    /// <exception cref="UnknownShapeException">It is somewhere else, or made by a stage whose model is not known.</exception>
    public static ModelConfiguration Shape(string model)
    {
        if (HubReference.IsNamed(model))
        {
            string id = HubReference.Parse(model).Id;
            return PublishedShapes.OfRepository(id) ?? throw new UnknownShapeException(
                $"the shape of {model} is not known here: give a folder, or random: and one of {string.Join(", ", PublishedShapes.Names)}");
        }

        bool isShape = model.StartsWith(ModelSource.RandomPrefix, StringComparison.Ordinal);
        return isShape || Path.Exists(model) ? ModelSource.Open(model).Configuration : throw new UnknownShapeException($"{model} is not there yet");
    }
}
