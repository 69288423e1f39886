using Tessera.Devices;
using Tessera.Inference;
using Tessera.Inference.Engine;
using Tessera.Kernels;
using Tessera.Models.Blocks;
using Tessera.Models.Tests;

namespace Tessera.Device.Tests.Generation;

/// <summary>The engine's tokens are drawn on the card, from the card's logits, as the processor draws them.</summary>
[Trait("Category", Card.Category)]
public sealed class StepSamplingCudaTests
{
    private const int Vocabulary = FamilyModels.Vocabulary;

    [Fact]
    public void Tokens_of_a_step_are_the_processors_for_the_same_logits()
    {
        using var card = DecodeGraphCudaTests.Open(DType.BF16);
        using var model = DecodeGraphCudaTests.Load(card, DType.BF16);
        using var cache = new KeyValueCache(model.Configuration, 12, 64, DType.BF16, card.Memory);
        using var arena = card.CreateArena("step");
        using var runner = new StepRunner(card, arena, model, cache, new EngineSettings());
        var random = new CounterRandom(8, 1);
        for (int t = 0; t < 30; t++)
        {
            // Padded steps, and one that draws behind some of its rows alone.
            int running = 1 + (t % 12), drawn = 0;
            runner.Begin();
            var settings = new List<SamplingRow>();
            for (int s = 0; s < running; s++)
            {
                int past = cache.Length(s);
                runner.Add(s, past, [random.Next(Vocabulary)]);
                if (t != 20 || s % 2 == 0)
                {
                    settings.Add(new SamplingRow(
                        random.NextUInt32(), random.Next(3) * 0.6f, random.Next(2) == 0 ? 1 : 0.7f, random.Next(2) * 9, past + 1));
                    runner.Draw(settings[^1]);
                    drawn++;
                }
            }

            runner.Run();
            Assert.Equal(drawn, runner.Tokens.Length);
            for (int draw = 0; draw < drawn; draw++)
            {
                float[] logits = DecodeGraphCudaTests.Logits(runner, draw);
                var (token, logProb) = TokenSampling.ReferenceChoose(Array.ConvertAll(logits, value => (double)value), settings[draw]);
                Assert.Equal(token, runner.Tokens[draw]);
                Assert.Equal(TokenSampling.Choose(logits, settings[draw]), runner.Tokens[draw]);
                Assert.InRange(Math.Abs(runner.LogProbs[draw] - logProb), 0, 1e-6 * Math.Max(1, Math.Abs(logProb)));
            }
        }
    }

    [Fact]
    public void Logits_that_are_no_numbers_end_the_engine_and_leave_the_card_working()
    {
        using var card = DecodeGraphCudaTests.Open(DType.F32);
        using var model = DecodeGraphCudaTests.Load(card, DType.F32);
        RandomFill.Constant(card, model.FinalNorm.Elements, model.FinalNorm.Count, float.NaN);
        foreach (float temperature in (float[])[0, 1])
        {
            using var engine = new BatchEngine(card, model, new EngineSettings { Pages = 8, MaxRunning = 2 });
            engine.Submit([1, 2, 3], new GenerationSettings { MaxNewTokens = 2, Temperature = temperature, TopK = 3, TopP = 0.5f });
            Assert.Contains("no number", Assert.Throws<InvalidDataException>(engine.Step).Message, StringComparison.Ordinal);
        }

        RandomFill.Constant(card, model.FinalNorm.Elements, model.FinalNorm.Count, 1);
        using var generator = new Generator(card, model, new EngineSettings { Pages = 8, MaxRunning = 2 });
        Assert.Equal(5, generator.Generate([[1, 2, 3]], new GenerationSettings { MaxNewTokens = 5 })[0].Ids.Length);
    }
}
