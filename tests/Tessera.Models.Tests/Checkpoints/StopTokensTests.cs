using Tessera.Models.Checkpoints;
using Tessera.Models.Configuration;

namespace Tessera.Models.Tests.Checkpoints;

public sealed class StopTokensTests
{
    private static readonly ModelConfiguration Shape = new()
    {
        VocabularySize = 100,
        HiddenSize = 4,
        HeadCount = 1,
        HeadDim = 4,
        RmsNormEpsilon = 1e-5,
        RopeTheta = 1e4,
        MaxPositions = 16,
        EosTokenIds = [7, 3],
        Layers = [new(new AttentionConfiguration(1), new SwiGluConfiguration(4))],
    };

    [Theory]
    [InlineData(null, new[] { 7, 3 })]
    [InlineData("{}", new[] { 7, 3 })]
    [InlineData("""{"eos_token_id": null}""", new[] { 7, 3 })]
    [InlineData("""{"eos_token_id": 9}""", new[] { 7, 3, 9 })]
    [InlineData("""{"eos_token_id": [3, 9, 0], "temperature": 0.6}""", new[] { 7, 3, 9, 0 })]
    public void Both_files_count_once(string? generation, int[] expected)
    {
        using var folder = new TemporaryFolder();
        if (generation is not null)
        {
            folder.Write("generation_config.json", generation);
        }

        Assert.Equal(expected, StopTokens.Read(folder.FullPath, Shape));
    }

    [Theory]
    [InlineData("[7]", "object")]
    [InlineData("""{"eos_token_id": 100}""", "eos_token_id is 100, expected an integer from 0 to 99")]
    [InlineData("""{"eos_token_id": "</s>"}""", "eos_token_id")]
    public void A_bad_file_is_refused_by_name_and_field(string generation, string part)
    {
        using var folder = new TemporaryFolder();
        string path = folder.Write("generation_config.json", generation);

        var error = Assert.Throws<InvalidDataException>(() => StopTokens.Read(folder.FullPath, Shape));

        Assert.StartsWith(path, error.Message);
        Assert.Contains(part, error.Message);
    }
}
