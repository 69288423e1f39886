using Tessera.Models.Configuration;
using Tessera.Puzzle.Library;

namespace Tessera.Puzzle.Costs;

/// <summary>Cost tables that no clock has seen: sizes are counted as ever, times come from a <see cref="Roofline"/>.</summary>
public static class PredictedCosts
{
    /// <summary>The table of a parent's library in a load.</summary>
    /// <param name="parent">The parent's shape.</param>
    /// <param name="scenario">The load.</param>
    /// <param name="hardware">The machine.</param>
    public static CostTable Create(ModelConfiguration parent, ServingScenario scenario, Hardware hardware)
    {
        var roofline = new Roofline(parent, scenario, hardware);
        VariantCost Cost(string label, long parameters, long gains, long kvElements, ScenarioTime time) => new(
            label, parameters, (long)scenario.Memory.WeightBytes(parameters, gains),
            (long)(kvElements * scenario.Memory.KeysAndValues.BytesPerElement), time.PrefillSeconds, time.DecodeSeconds, 0);
        VariantCost Mixer(MixerConfiguration mixer) => mixer is NoMixerConfiguration ? VariantCost.None(mixer.ToString()) : Cost(
            mixer.ToString(), mixer.ParameterCount(parent), parent.HiddenSize, mixer.KvElementsPerToken(parent), roofline.Time(mixer));
        VariantCost FeedForward(FeedForwardConfiguration ffn) => ffn is NoFeedForwardConfiguration ? VariantCost.None(ffn.ToString())
            : Cost(ffn.ToString(), ffn.ParameterCount(parent), parent.HiddenSize, 0, roofline.Time(ffn));
        return new CostTable
        {
            IsPredicted = true,
            Scenario = scenario,
            Machine = $"{hardware.Label}, predicted from its ceilings",
            Rounds = 0,
            Base = Cost("base", (parent with { Layers = [] }).ParameterCount, parent.HiddenSize, 0, roofline.Base()),
            Mixers = parent.Layers.SelectMany(layer => VariantGrid.Mixers(layer.Mixer)).Distinct()
                .ToDictionary(mixer => mixer.ToString(), Mixer),
            FeedForwards = parent.Layers.SelectMany(layer => VariantGrid.FeedForwards(layer.FeedForward)).Distinct()
                .ToDictionary(ffn => ffn.ToString(), FeedForward),
        };
    }
}
