"""Names that the real classes show to Python (read from the sources of Slicer and CTK; facts, no code)."""

from __future__ import annotations

KNOWN = {
    "qSlicerApplication": """
        addModuleAssociatedNodeType allModuleAssociatedNodeTypes appendEnvironmentVariable
        applicationLocale applicationLocaleName applicationLogic arch caCertificatesPath cachePath
        commandOptions confirmRestart coreIOManager createDICOMBrowserForMainDatabase currentLogFile
        defaultScenePath defaultSettings dicomDatabase documentationBaseUrl documentationLanguage
        documentationVersion environment errorLogModel extensionsInstallPath extensionsManagerModel
        handleURIArguments intDir invokeEventRequested ioManager isCodePageUtf8
        isCustomMainApplication isEnvironmentVariableValueSet isInstalled isUsageLoggingSupported
        launchDesigner launcherExecutableFilePath launcherSettingsFilePath layoutManager
        loadCaCertificates loadFiles loadLanguage loadTranslations logApplicationInformation
        logUsageEvent mainApplicationDisplayName mainApplicationMajorVersion
        mainApplicationMinorVersion mainApplicationName mainApplicationPatchVersion
        mainApplicationRepositoryRevision mainApplicationRepositoryUrl mainApplicationRevision
        majorVersion minorVersion moduleDocumentationUrl moduleLogic moduleManager
        modulesAssociatedWithNodeType mrmlScene mrmlSceneChanged numberOfRecentLogFilesToKeep
        openExtensionsCatalogWebsite openExtensionsManagerDialog openNodeModule openSettingsDialog
        openUrl os pauseRender platform prependEnvironmentVariable pythonConsole
        pythonConsoleLogLevel pythonManager recentLogFiles registerResource releaseType
        removeModuleAssociatedNodeType renderPaused repositoryBranch repositoryRevision
        repositoryUrl restart resumeRender revision revisionUserSettings setEnvironmentVariable
        setHasBorderInFullScreen setLayoutManager setPythonConsoleLogLevel setRenderPaused settings
        settingsDialog showConsoleMessage slicerDefaultSettingsFilePath slicerHome
        slicerRevisionUserSettingsFilePath slicerSharePath slicerUserSettingsFilePath
        startupCompleted startupEnvironment startupWorkingPath temporaryPath testingUtility
        toSlicerHomeAbsolutePath toSlicerHomeAbsolutePaths toSlicerHomeRelativePath
        toSlicerHomeRelativePaths translationFolders unregisterResource urlReceived usageEventLogged
        userSettings
    """,
    "qSlicerModuleManager": """
        factoryManager module moduleAboutToBeUnloaded moduleLoaded modulesNames
    """,
    "qSlicerIOManager": """
        addDefaultStorageNodes allReadableFileExtensions allWritableFileExtensions
        completeSlicerWritableFileNameSuffix createAndAddDefaultStorageNode
        defaultMaximumFileNameLength defaultSceneFileType emitFileSaved emitNewFileLoaded
        examineFileInfoList exportNodes extractKnownExtension fileDescriptions
        fileNameRegularExpression fileSaved fileType fileTypeFromDescription fileTypes
        fileWriterDescriptions fileWriterExtensions fileWriterFileType forceFileNameMaxLength
        forceFileNameValidCharacters isDialogRegistered loadFile loadNodes loadScene newFileLoaded
        openAddColorTableDialog openAddDataDialog openAddFiberBundleDialog openAddFiducialDialog
        openAddMarkupsDialog openAddModelDialog openAddScalarOverlayDialog openAddSceneDialog
        openAddTransformDialog openAddVolumeDialog openAddVolumesDialog openDialog
        openLoadSceneDialog openSaveDataDialog openSceneViewsDialog openScreenshotDialog
        registeredFileReaderCount registeredFileWriterCount saveNodes saveScene
        setDefaultMaximumFileNameLength setDefaultSceneFileType showLoadNodesResultDialog
        stripKnownExtension
    """,
    "qSlicerLayoutManager": """
        activeMRMLPlotViewNode activeMRMLPlotViewNodeChanged activeMRMLTableViewNode
        activeMRMLTableViewNodeChanged activeMRMLThreeDViewNode activeMRMLThreeDViewNodeChanged
        activePlotRenderer activePlotRendererChanged activeTableRenderer activeTableRendererChanged
        activeThreeDRenderer activeThreeDRendererChanged addMaximizedViewNode enabled
        isViewportUsedInLayout layout layoutChanged layoutLogic mrmlColorLogic mrmlScene
        mrmlSliceLogics mrmlViewFactories mrmlViewFactory mrmlViewLogics nodeAboutToBeEdited
        pauseRender plotViewCount plotWidget registerViewFactory removeAllMaximizedViewNodes
        removeMaximizedViewNode resetSliceViews resetThreeDViews resumeRender selectModule
        setEnabled setLayout setLayoutNumberOfCompareViewColumns setLayoutNumberOfCompareViewRows
        setMRMLColorLogic setMRMLScene setRenderPaused setScriptedDisplayableManagerDirectory
        setViewport sliceViewNames sliceWidget spacing tableViewCount tableWidget threeDViewCount
        threeDWidget viewWidget viewWidgets viewport viewportNames
    """,
    "qMRMLSliceWidget": """
        controllerWidget fitSliceToBackground imageDataConnection interactorStyle logic
        mrmlAbstractViewNode mrmlScene mrmlSceneChanged mrmlSliceCompositeNode mrmlSliceNode
        nodeAboutToBeEdited overlayCornerAnnotation pauseRender pixmapFromIcon
        postInitializeApplication preInitializeApplication resumeRender setImageDataConnection
        setMRMLAbstractViewNode setMRMLScene setMRMLSliceNode setRenderPaused setSliceLogics
        setSliceOffsetSliderOrientation setSliceOrientation setViewColor setViewLabel
        sliceController sliceLogic sliceOffsetSliderOrientation sliceOrientation
        sliceVerticalController sliceView sliceViewColor sliceViewLabel sliceViewName viewColor
        viewLabel viewWidget
    """,
    "qMRMLSliceView": """
        VTKWidget addDisplayableManager backgroundColor backgroundColor2 colorLevel colorWindow
        convertDeviceToXYZ convertRASToXYZ convertXYZToRAS cornerAnnotation cornerAnnotationText
        displayableManagerByClassName forceRender fpsVisible getDisplayableManagers
        gradientBackground highlightedBoxColor interactor interactorObserver interactorStyle
        lightBoxRendererManager maximumUpdateRate mrmlSliceNode pauseRender renderEnabled
        renderWindow renderWindowLayoutType resetCamera resized resumeRender scheduleRender
        setBackgroundColor setBackgroundColor2 setColorLevel setColorWindow setCornerAnnotationText
        setDefaultViewCursor setFPSVisible setGradientBackground setHighlightedBoxColor
        setImageDataConnection setLightBoxRendererManagerColumnCount
        setLightBoxRendererManagerRowCount setMRMLScene setMRMLSliceNode setMaximumUpdateRate
        setRenderEnabled setRenderPaused setRenderWindowLayoutType setUseDepthPeeling setViewCursor
        sliceViewInteractorStyle unsetViewCursor useDepthPeeling
    """,
    "qMRMLSliceControllerWidget": """
        barLayout barWidget fitSliceToBackground fitToWindowToolButton imageDataConnection
        imageDataConnectionChanged isMoreButtonVisible lockReformatWidgetToCamera maximizeView
        moreButtonVisibility moveBackgroundComboBox mrmlScene mrmlSceneChanged
        mrmlSliceCompositeNode mrmlSliceNode nodeAboutToBeEdited pinButton pixmapFromIcon
        postInitializeApplication preInitializeApplication renderRequested
        rotateSliceToLowestVolumeAxes setBackgroundHidden setBackgroundInterpolation
        setBackgroundOpacity setClipToBackground setCompositing setCompositingToAdd
        setCompositingToAlphaBlend setCompositingToReverseAlphaBlend setCompositingToSubtract
        setControllerButtonGroup setForegroundHidden setForegroundInterpolation setForegroundOpacity
        setHotLinked setImageDataConnection setLabelMapHidden setLabelMapOpacity setLayoutBehavior
        setLightbox setLightboxTo1x1 setLightboxTo1x2 setLightboxTo1x3 setLightboxTo1x4
        setLightboxTo1x6 setLightboxTo1x8 setLightboxTo2x2 setLightboxTo3x3 setLightboxTo6x6
        setMRMLScene setMRMLSliceNode setMoreButtonVisible setOrientationMarkerSize
        setOrientationMarkerType setRulerColor setRulerType setSegmentationHidden
        setSegmentationOpacity setShowMaximizeViewButton setShowSliceOffsetSlider
        setSlabReconstructionThickness setSlabReconstructionType setSliceEdgeVisibility3D
        setSliceFOV setSliceLink setSliceLogic setSliceLogics setSliceModelDimension
        setSliceModelDimensionX setSliceModelDimensionY setSliceModelFOV setSliceModelFOVX
        setSliceModelFOVY setSliceModelMode setSliceModelMode2D setSliceModelMode2D_Volumes
        setSliceModelModeCustom setSliceModelModeVolumes setSliceModelModeVolumes_2D
        setSliceModelOrigin setSliceModelOriginX setSliceModelOriginY setSliceOffsetRange
        setSliceOffsetValue setSliceOrientation setSliceSpacing setSliceSpacingMode setSliceViewSize
        setSliceVisible showLabelOutline showMaximizeViewButton showReformatWidget
        showSlabReconstructionWidget showSliceOffsetSlider sliceLogic sliceOffsetResolution
        sliceOffsetSlider sliceOrientation sliceViewColor sliceViewLabel sliceViewName
        toggleSegmentationOutlineFill toggleSlabReconstructionInteractive trackSliceOffsetValue
        updateSegmentationControlsVisibility updateWidgetFromMRMLView viewLabel
    """,
    "qMRMLThreeDWidget": """
        addDisplayableManager controllerWidget getDisplayableManagers logic mrmlAbstractViewNode
        mrmlScene mrmlSceneChanged mrmlViewNode pauseRender pixmapFromIcon postInitializeApplication
        preInitializeApplication resumeRender setMRMLAbstractViewNode setMRMLScene setMRMLViewNode
        setQuadBufferStereoSupportEnabled setRenderPaused setViewColor setViewLabel threeDController
        threeDView viewColor viewLabel viewLogic viewWidget
    """,
    "qMRMLThreeDView": """
        VTKWidget ambientShadowsIntensityScale ambientShadowsIntensityShift ambientShadowsSizeScale
        ambientShadowsVolumeOpacityThreshold animationIntervalMs backgroundColor backgroundColor2
        cameraNode cornerAnnotation cornerAnnotationText displayableManagerByClassName forceRender
        fpsVisible getDisplayableManagers gradientBackground interactor interactorObserver
        interactorStyle lookFromAxis lookFromViewAxis maximumUpdateRate mrmlViewNode
        orientationWidgetVisible pauseRender pitch pitchDirection pitchRollYawIncrement
        renderEnabled renderWindow resetCamera resetFocalPoint resumeRender rockEnabled rockLength
        roll rollDirection rotateToViewAxis scheduleRender setAmbientShadowsIntensityScale
        setAmbientShadowsIntensityShift setAmbientShadowsSizeScale
        setAmbientShadowsVolumeOpacityThreshold setAnimationIntervalMs setBackgroundColor
        setBackgroundColor2 setCornerAnnotationText setDefaultViewCursor setFPSVisible setFocalPoint
        setGradientBackground setMRMLScene setMRMLViewNode setMaximumUpdateRate
        setOrientationWidgetVisible setPitchRollYawIncrement setRenderEnabled setRenderPaused
        setRockEnabled setRockIncrement setRockLength setShadowsVisibility setSpinEnabled
        setSpinIncrement setUseDepthPeeling setViewCursor setZoomFactor shadowsVisibility
        spinDirection spinEnabled spinIncrement ssaoPass unsetViewCursor useDepthPeeling yaw
        yawDirection zoomFactor zoomIn zoomOut
    """,
    "qMRMLThreeDViewControllerWidget": """
        barLayout barWidget lookFromAxis maximizeView mrmlScene mrmlSceneChanged mrmlThreeDViewNode
        pinButton pitchView pixmapFromIcon postInitializeApplication preInitializeApplication
        resetAmbientShadows resetFocalPoint rockView rollView set3DAxisLabelVisible set3DAxisVisible
        setAmbientShadowsIntensityScale setAmbientShadowsIntensityShift setAmbientShadowsSizeScale
        setAmbientShadowsVolumeOpacityThresholdPercent setAnimationMode setBackgroundColor
        setBlackBackground setBoxColor setFPSVisible setLayoutBehavior setLightBlueBackground
        setMRMLScene setOrientationMarkerSize setOrientationMarkerType setOrthographicModeEnabled
        setRulerColor setRulerType setShadowsVisibility setShowMaximizeViewButton setStereoType
        setThreeDView setUseDepthPeeling setViewLink setWhiteBackground showMaximizeViewButton
        spinView viewLabel yawView zoomIn zoomOut
    """,
    "qSlicerScriptedLoadableModule": """
        acknowledgementText action associatedNodeTypes categories contributors
        defaultDocumentationLink dependencies extensions helpText hidden icon index isBuiltIn
        isInstalled logic logo mrmlScene name path setMRMLScene slicerWikiUrl title
        widgetRepresentationCreationEnabled
    """,
    "qSlicerLoadableModule": """
        acknowledgementText action associatedNodeTypes categories contributors
        defaultDocumentationLink dependencies helpText hidden icon index isBuiltIn isInstalled logic
        logo mrmlScene name path setMRMLScene slicerWikiUrl title
        widgetRepresentationCreationEnabled
    """,
    "qSlicerScriptedLoadableModuleWidget": """
        enter exit isEntered moduleName mrmlSceneChanged nodeEditable reload self setEditedNode
        setMRMLScene
    """,
    "qSlicerMainWindow": """
        addFileToRecentFiles errorLogDockWidget errorLogWidget initialWindowShown moduleSelector
        onErrorLogToggled onFileRecentLoadedActionTriggered onLayoutActionTriggered
        onLayoutCompareActionTriggered onLayoutCompareGridActionTriggered onPythonConsoleToggled
        on_CopyAction_triggered on_CutAction_triggered on_EditApplicationSettingsAction_triggered
        on_EditPlayMacroAction_triggered on_EditRecordMacroAction_triggered
        on_EditRedoAction_triggered on_EditUndoAction_triggered on_FavoriteModulesChanged
        on_FileAddDataAction_triggered on_FileAddTransformAction_triggered
        on_FileAddVolumeAction_triggered on_FileCloseSceneAction_triggered
        on_FileExitAction_triggered on_FileFavoriteModulesAction_triggered
        on_FileImportSceneAction_triggered on_FileLoadDataAction_triggered
        on_FileLoadSceneAction_triggered on_FileSaveSceneAction_triggered
        on_LoadDICOMAction_triggered on_ModuleHomeAction_triggered on_PasteAction_triggered
        on_SDBSaveToDirectoryAction_triggered on_SDBSaveToMRBAction_triggered
        on_ShowStatusBarAction_triggered on_ViewExtensionsManagerAction_triggered
        on_WindowToolbarsResetToDefaultAction_triggered pythonConsole removeAllMaximizedViewNodes
        restoreGUIState restoreToolbars saveGUIState setHomeModuleCurrent setLayout
        setLayoutNumberOfCompareViewColumns setLayoutNumberOfCompareViewRows
    """,
    "qSlicerModuleSelectorToolBar": """
        moduleSelected modulesMenu modulesMenuComboBox selectModule selectNextModule
        selectPreviousModule selectedModule setModuleManager showModuleFinder
    """,
    "qSlicerModuleFactoryManager": """
        explicitModulesChanged instantiatedModuleNames isInstantiated isLoaded isRegistered
        isVerbose loadModules loadedModule loadedModuleNames moduleAboutToBeInstantiated
        moduleAboutToBeUninstantiated moduleAboutToBeUnloaded moduleIgnored moduleInstance
        moduleInstantiated moduleLoaded moduleRegistered moduleUninstantiated moduleUnloaded
        modulesAboutToBeUninstantiated modulesAboutToBeUnloaded modulesInstantiated modulesLoaded
        modulesRegistered modulesToIgnore modulesToIgnoreChanged modulesUninstantiated
        modulesUnloaded mrmlSceneChanged registerModule registeredModuleNames searchPaths
        setIsVerbose setMRMLScene unloadModules
    """,
    "qSlicerCommandOptions": """
        additionalModulePaths argumentAdded argumentParsed disableBuiltInCLIModules
        disableBuiltInLoadableModules disableBuiltInScriptedLoadableModules disableCLIModules
        disableLoadableModules disableMessageHandlers disableScriptedLoadableModules disableToolTips
        displayApplicationInformation displayHelpAndExit displayHomePathAndExit
        displayMessageAndExit displayProgramPathAndExit displaySettingsPathAndExit
        displayTemporaryPathAndExit displayVersionAndExit enableQtTesting errorString
        exitAfterStartup extraPythonScript extraPythonScriptProcessedArgumentsCount ignoreSlicerRC
        modulesToIgnore noMainWindow noSplash pythonCode pythonDisabled pythonScript
        reportStartupTiming runPythonAndExit settingsEnabled showPythonConsole testingEnabled
        unparsedArguments verboseModuleDiscovery
    """,
    "ctkDICOMDatabase": """
        allFiles cacheTag cacheTags cachedTag cleanup cleanupPatient cleanupSeries cleanupStudy
        closeDatabase closed compositePatientID connectionNameAdded connectionsInformationForPatient
        databaseChanged databaseDirectory databaseFilename descriptionForSeries descriptionForStudy
        descriptionsForFile displayedFieldsUpdateProgress displayedFieldsUpdateStarted
        displayedFieldsUpdated displayedNameForField displayedNameForPatient fieldForPatient
        fieldForSeries fieldForStudy fileExistsAndUpToDate fileForInstance fileValue fileValueExists
        filesForSeries formatForField getCachedTags groupElementToTag headerKeys headerValue
        imagesCount initializeDatabase initializeTagCache insert insertDateTimeForInstance
        insertDateTimeForPatient insertDateTimeForSeries insertDateTimeForStudy instanceAdded
        instanceForFile instanceForURL instanceValue instanceValueExists instanceValues
        instancesForSeries isDisplayedFieldsTableAvailable isInMemory isOpen lastError
        loadFileHeader loadInstanceHeader loadedSeriesInstanceUIDs loadedSeriesInstanceUIDsChanged
        nameForPatient openDatabase opened patientAdded patientFieldNames patientForStudy
        patientRemoved patients patientsCount prepareInsert removeCachedTags removePatient
        removeSeries removeStudy schemaUpdateProgress schemaUpdateStarted schemaUpdated
        schemaVersion schemaVersionLoaded seriesAdded seriesCount seriesFieldNames seriesForFile
        seriesForStudy seriesRemoved setDisplayedNameForField setFormatForField setSchemaVersion
        setThumbnailGenerator setVisibilityForField setWeightForField storeThumbnailFile
        studiesCount studiesForPatient studyAdded studyFieldNames studyForSeries studyRemoved
        tagCacheExists tagToGroupElement tagsToExcludeFromStorage tagsToExcludeFromStorageChanged
        tagsToPrecache tagsToPrecacheChanged thumbnailGenerator thumbnailPathForInstance
        updateConnectionsForPatient updateDisplayedFields updateSchema updateSchemaIfNeeded
        urlForInstance urlsForSeries useShortStoragePath useSystemFileCopy visibilityForField
        weightForField
    """,
}

MODULES = {
    "annotations",
    "cameras",
    "cli",
    "colors",
    "cropvolume",
    "data",
    "dicom",
    "generalizedreformat",
    "markups",
    "models",
    "plots",
    "reformat",
    "sampledata",
    "sceneviews",
    "segmentations",
    "segmenteditor",
    "segmentstatistics",
    "sequences",
    "subjecthierarchy",
    "tables",
    "terminologies",
    "texts",
    "transforms",
    "units",
    "viewcontrollers",
    "volumerendering",
    "volumes",
    "welcome",
}
"""Modules of the real application, as `slicer.modules` names them."""
