using Tessera.Devices;
using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;

namespace Tessera.Models.Tests.Checkpoints;

public class ExpectedTensorsTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Names_and_shapes_are_those_of_an_allocated_model(bool tied)
    {
        var configuration = new ModelConfiguration
        {
            VocabularySize = 11,
            HiddenSize = 12,
            HeadCount = 4,
            HeadDim = 6,
            RmsNormEpsilon = 1e-5,
            RopeTheta = 1e4,
            MaxPositions = 16,
            TieEmbeddings = tied,
            Layers =
            [
                new(new AttentionConfiguration(2), new SwiGluConfiguration(20)),
                new(new LinearMixerConfiguration(), new NoFeedForwardConfiguration()),
                new(new NoMixerConfiguration(), new LinearFeedForwardConfiguration()),
                new(new NoMixerConfiguration(), new NoFeedForwardConfiguration()),
            ],
        };
        AssertSameNames(configuration);
    }

    [Theory]
    [MemberData(nameof(FamilyModels.Names), MemberType = typeof(FamilyModels))]
    public void Every_family_has_the_tensors_of_its_configuration(string name)
    {
        var configuration = FamilyModels.Configurations[name];
        AssertSameNames(configuration);
        Assert.Equal(
            configuration.ParameterCount, ExpectedTensors.Of(configuration).Sum(tensor => tensor.Shape.Aggregate(1L, (a, b) => a * b)));
    }

    private static void AssertSameNames(ModelConfiguration configuration)
    {
        using var model = Decoder.Allocate(configuration, DType.F32);
        Assert.Equal(
            WeightMap.Slices(model).Select(slice => $"{slice.Name} {string.Join('x', slice.Shape)}"),
            ExpectedTensors.Of(configuration).Select(tensor => $"{tensor.Name} {string.Join('x', tensor.Shape)}"));
    }
}
