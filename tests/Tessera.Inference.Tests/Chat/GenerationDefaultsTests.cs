using Tessera.Inference.Chat;

namespace Tessera.Inference.Tests.Chat;

public sealed class GenerationDefaultsTests
{
    [Fact]
    public void Defaults_of_sampling_are_the_files_or_those_of_the_api()
    {
        string folder = Directory.CreateTempSubdirectory("tessera-defaults-").FullName;
        try
        {
            Assert.Equal(new GenerationDefaults(1, 1, 0), GenerationDefaults.Read(folder));
            Assert.Equal(new GenerationDefaults(0.6f, 0.95f, 20), Read("""{"do_sample": true, "temperature": 0.6, "top_p": 0.95, "top_k": 20}"""));
            Assert.Equal(new GenerationDefaults(0, 1, 0), Read("""{"do_sample": false, "temperature": 0.6, "top_k": null}"""));
            foreach (var (content, part) in ((string, string)[])
                [("{", "not valid JSON"), ("[]", "expected an object"), ("""{"temperature": -1}""", "temperature is -1"),
                    ("""{"top_p": 0}""", "top_p is 0"), ("""{"top_k": 1.5}""", "top_k is 1.5"), ("""{"top_k": "x"}""", "top_k is \"x\"")])
            {
                var error = Assert.Throws<InvalidDataException>(() => Read(content));
                Assert.Contains(part, error.Message, StringComparison.Ordinal);
                Assert.Contains("generation_config.json", error.Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        GenerationDefaults Read(string content)
        {
            File.WriteAllText(Path.Combine(folder, "generation_config.json"), content);
            return GenerationDefaults.Read(folder);
        }
    }
}
